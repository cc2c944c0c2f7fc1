#version 450
#extension GL_GOOGLE_include_directive : require

// One workgroup for each line of cells, and one for the tokens below the last line.

#include "sampling.glsl"
#include "step.glsl"

#pragma vkdyn optional(step_parameters)
#pragma vkdyn variant(default, tile = 1x1x1)

layout(local_size_x = 64) in;

layout(constant_id = 0) const bool HAS_STEP_PARAMETERS = false;

layout(std430, binding = 0) readonly buffer Step { StepParameters step_parameters[]; };
layout(std430, binding = 1) writeonly buffer Sets { uint sets[]; };

layout(push_constant) uniform Parameters {
    uint height;
    uint width;
    uint cell_height;
    uint cell_width;
    uint site;
};

const uint CELLS = 4096u;

// The place of each cell's destination in its line of cells: row · width + column.
shared uint places[CELLS];

void main() {
    uint lane = gl_LocalInvocationID.x;
    uint line = gl_WorkGroupID.x;
    uint cell_lines = height / cell_height;
    uint cell_columns = width / cell_width;
    bool has_cells = line < cell_lines;
    uint cells = has_cells ? min(cell_columns, CELLS) : 0u;
    for (uint i = lane; i < cells; i += 64u) {
        uint inside = 0u;
        if (HAS_STEP_PARAMETERS) {
            uvec4 words = philox(uvec2(step_parameters[0].seed_low, step_parameters[0].seed_high),
                                 uvec4(line * cell_columns + i, step_parameters[0].step, STREAM_MATCHING, site));
            // The upper word of a product of 32 bits: an equal share of all words for each token of the cell.
            uint low;
            umulExtended(words.x, cell_height * cell_width, inside, low);
        }
        places[i] = inside / cell_width * width + i * cell_width + inside % cell_width;
    }
    barrier();
    uint first_row = line * cell_height;
    uint token_end = min(cell_height, height - first_row) * width;
    uint source_count = height * width - cell_lines * cell_columns;
    uint destinations_before = min(line, cell_lines) * cell_columns;
    for (uint i = lane; i < token_end; i += 64u) {
        uint before = destinations_before;
        bool is_destination = false;
        for (uint cell = 0u; cell < cells; cell++) {
            before += places[cell] < i ? 1u : 0u;
            is_destination = is_destination || places[cell] == i;
        }
        uint token = first_row * width + i;
        sets[is_destination ? source_count + before : token - before] = token;
    }
}
