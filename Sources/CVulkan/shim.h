// Types and constants only: the loader is opened at run time, so that a machine without one can still run the
// reference device.
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>
