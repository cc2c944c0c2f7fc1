// The slots of a row in the order in which its experts' rows are summed; after rows.glsl and arithmetic.glsl. LANES is
// the workgroup's size.

layout(constant_id = 0) const bool HAS_EXPERTS = false;
layout(constant_id = 1) const bool HAS_SHARED_ROWS = false;
layout(constant_id = 2) const bool HAS_RESIDUAL = false;

layout(std430, binding = 0) readonly buffer Rows { RowCount rows; };
layout(std430, binding = 1) readonly buffer Positions { uint positions[]; };
layout(std430, binding = 2) readonly buffer Experts { uint experts[]; };
layout(std430, binding = 3) readonly buffer Weights { float weights[]; };

layout(push_constant) uniform Parameters {
    uint row_capacity;
    uint width;
    uint k;
    uint position_count;
};

const uint MOST_SLOTS = 256u;

// [k]; a position of position_count or more takes no part.
shared uint slot_positions[MOST_SLOTS];
shared float slot_weights[MOST_SLOTS];

// A slot's place is the number of slots with a lower expert, or with the same and a lower number.
void order_slots(uint row) {
    for (uint slot = gl_LocalInvocationID.x; slot < k; slot += LANES) {
        uint place = slot;
        if (HAS_EXPERTS) {
            uint expert = experts[row * k + slot];
            place = 0u;
            for (uint other = 0u; other < k; other++) {
                uint other_expert = experts[row * k + other];
                place += other_expert < expert || (other_expert == expert && other < slot) ? 1u : 0u;
            }
        }
        slot_positions[place] = positions[row * k + slot];
        slot_weights[place] = weights[row * k + slot];
    }
    barrier();
}
