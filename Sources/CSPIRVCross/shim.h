#include <spirv_cross/spirv_cross_c.h>
#include <spirv_cross/GLSL.std.450.h>
