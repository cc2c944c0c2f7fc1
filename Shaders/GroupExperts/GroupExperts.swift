public import VkdynCore

/// Orders the assignments of rows to experts by (expert, row): what a grouped product, and the gathers before and after
/// it, go by.
///
/// | buffer    | shape                                          | type |
/// |-----------|------------------------------------------------|------|
/// | rows      | one `RowCount`                                 | u32  |
/// | experts   | [rows, k]; expertCount or more is no assignment | u32 |
/// | sources   | [rowCapacity · k], assignments by position     | u32  |
/// | positions | [rows, k], positions by assignment             | u32  |
/// | counts    | [expertCount], assignments before any is dropped | u32 |
/// | offsets   | [expertCount + 1], first positions             | u32  |
/// | grouped   | one `RowCount` of positions                    | u32  |
/// | dropped   | [more than droppedIndex]                       | u32  |
///
/// Assignment `r · k + j` is row r's j-th. Positions number the assignments that stay by ascending (expert, row, slot):
/// expert e has the positions offsets[e] ..< offsets[e + 1]. offsets[expertCount] is how many there are, which is also
/// grouped's count; its capacity is rowCapacity · k.
/// Where an expert has more than `expertCapacity` assignments in a sequence, of `sequenceRows` rows each (0: all rows
/// are one), those after the first in the order (row, slot) are dropped; dropped[droppedIndex] is their number. A
/// capacity of 0xFFFFFFFF drops none; 0 drops all.
/// What was dropped, and what is no assignment, has the position 0xFFFFFFFF; `sources` from the number of positions up to
/// rows · k holds 0xFFFFFFFF.
/// Reduction order: integers alone, exact in any order.
/// Edge cases: with no rows all counts are 0. Rows beyond the count are neither read nor touched.
/// Source: capacity, Fedus et al., arXiv 2101.03961; rows sorted by expert, Gale et al., arXiv 2211.15841. Exact.
public enum GroupExperts: Kernel {
    public static func work(_ parameters: Parameters) -> WorkExtent { WorkExtent(1) }

    public static func cost(_ call: KernelCall<GroupExperts>) -> Cost {
        let assignments = Int(call.parameters.rowCapacity) * Int(call.parameters.k)
        return Cost(operations: 0, bytes: 12 * assignments + 8 * Int(call.parameters.expertCount) + 28)
    }

    public static func variants(_ call: KernelCall<GroupExperts>, _ traits: DeviceTraits) -> [String] {
        let p = call.parameters
        let assignments = Int(p.rowCapacity) * Int(p.k)
        let few = assignments >= 512 && p.expertCount > 15
            ? ["lanes8_bits8", "lanes8_bits4"] : ["lanes8_bits4", "lanes8_bits8"]
        // lavapipe ends an invocation's loops after 65,535 rounds altogether.
        if assignments > 32_768 { return ["lanes128_bits4"] }
        return traits.kind == .cpu ? few + ["lanes128_bits4"] : ["lanes128_bits4"] + few
    }

    public static func twin(_ b: Views, _ call: KernelCall<GroupExperts>) {
        let p = call.parameters
        let (k, expertCount) = (Int(p.k), Int(p.expertCount))
        let rowCount = min(Int(b.rows.pointee.count), Int(p.rowCapacity))
        let sequenceRows = p.sequenceRows == 0 ? max(rowCount, 1) : Int(p.sequenceRows)
        for assignment in 0..<rowCount * k { b.positions[assignment] = .max }
        var position = 0
        var droppedCount = 0
        for expert in 0..<expertCount {
            b.offsets[expert] = UInt32(position)
            b.counts[expert] = 0
            var sequence = 0
            var sequenceCount = 0
            for assignment in 0..<rowCount * k where b.experts[assignment] == UInt32(expert) {
                if assignment / k / sequenceRows != sequence {
                    sequence = assignment / k / sequenceRows
                    sequenceCount = 0
                }
                b.counts[expert] += 1
                sequenceCount += 1
                if sequenceCount > Int(p.expertCapacity) {
                    droppedCount += 1
                    continue
                }
                b.positions[assignment] = UInt32(position)
                b.sources[position] = UInt32(assignment)
                position += 1
            }
        }
        b.offsets[expertCount] = UInt32(position)
        for place in position..<rowCount * k { b.sources[place] = .max }
        b.grouped.pointee = RowCount(count: UInt32(position), capacity: p.rowCapacity * p.k)
        b.dropped[Int(p.droppedIndex)] = UInt32(droppedCount)
    }

    public static var cases: [KernelCase] {
        var random = CaseGenerator(seed: 123)
        let shapes: [(rows: Int, capacity: Int, k: Int, experts: Int)] = [
            (0, 0, 2, 8), (0, 3, 2, 8), (1, 1, 1, 1), (1, 1, 8, 256), (9, 9, 2, 8), (3, 8, 2, 8), (9, 4, 2, 8),
            (63, 63, 1, 15), (65, 65, 1, 16), (64, 64, 2, 17), (31, 31, 8, 255), (40, 40, 8, 256), (200, 200, 8, 300),
            (512, 512, 2, 8), (5000, 5000, 8, 64),
        ]
        var cases = shapes.map { shape in
            makeCase(
                rows: shape.rows, capacity: shape.capacity, k: shape.k, experts: shape.experts, random: &random)
        }
        // Capacities: none, some, all; sequences that end within a lane's segment, and a last one that is cut short.
        for (rows, sequenceRows, capacity) in [
            (60, 0, 0), (60, 0, 9), (60, 20, 3), (61, 7, 1), (61, 100, 5), (300, 64, 0), (300, 50, 12),
        ] {
            cases.append(
                makeCase(
                    rows: rows, capacity: rows, k: 2, experts: 8, sequenceRows: sequenceRows, expertCapacity: capacity,
                    random: &random))
        }
        cases.append(
            makeCase(
                rows: 90, capacity: 90, k: 1, experts: 8, sequenceRows: 30, expertCapacity: 4, random: &random,
                note: ", one expert"
            ) { _, _ in 5 })
        cases.append(
            makeCase(
                rows: 90, capacity: 90, k: 3, experts: 8, sequenceRows: 30, expertCapacity: 8, random: &random,
                note: ", some no experts"
            ) { row, slot in (row + slot) % 3 == 0 ? .max : (row + slot) % 5 == 0 ? 8 : UInt32((row * 7 + slot) % 8) })
        cases.append(
            makeCase(rows: 20, capacity: 20, k: 2, experts: 8, random: &random, note: ", no experts") { _, _ in .max })
        return cases
    }

    public static var shapes: ShapeSpace {
        ShapeSpace([
            ShapeAxis("rows", 0...300, standard: 512), ShapeAxis("k", 1...8, standard: 8),
            ShapeAxis("experts", 1...300, standard: 128), ShapeAxis("sequenceRows", 0...100, standard: 0),
            ShapeAxis("capacity", 0...40, standard: 0), ShapeAxis("limited", 0...1, standard: 0, maximum: 1),
        ])
    }

    /// Capacities hold where the shape is limited.
    public static func makeCase(_ shape: Shape, _ random: inout CaseGenerator) -> KernelCase {
        makeCase(
            rows: shape["rows"], capacity: random.capacity(for: shape["rows"]), k: min(shape["k"], shape["experts"]),
            experts: shape["experts"], sequenceRows: shape["sequenceRows"],
            expertCapacity: shape.has("limited") ? shape["capacity"] : nil, random: &random)
    }

    private static func makeCase(
        rows: Int, capacity: Int, k: Int, experts: Int, sequenceRows: Int = 0, expertCapacity: Int? = nil,
        random: inout CaseGenerator, note: String = "", choose: ((Int, Int) -> UInt32)? = nil
    ) -> KernelCase {
        var chosen: [UInt32] = []
        for row in 0..<capacity {
            // Different experts for one row, in no order, as a gate gives them.
            let first = Int.random(in: 0..<experts, using: &random)
            let step = [1, 3, 7].filter { experts % $0 != 0 || $0 == 1 }.randomElement(using: &random) ?? 1
            for slot in 0..<k {
                let expert = choose?(row, slot) ?? UInt32((first + slot * step) % experts)
                chosen.append(row < rows ? expert : 0x7FFA_DEAD)
            }
        }
        let droppedIndex = rows % 3
        return makeCase(
            "rows \(rows) of \(capacity), k \(k), experts \(experts)"
                + (expertCapacity.map { ", capacity \($0) in \(sequenceRows) rows" } ?? "") + note,
            Contents(
                rows: .structure(RowCount(count: UInt32(rows), capacity: UInt32(capacity))), experts: .words(chosen),
                sources: .unwritten(capacity * k, as: .u32), positions: .unwritten(capacity * k, as: .u32),
                counts: .unwritten(experts, as: .u32), offsets: .unwritten(experts + 1, as: .u32),
                grouped: .unwritten(3, as: .u32), dropped: .unwritten(3, as: .u32)),
            Parameters(
                rowCapacity: UInt32(capacity), k: UInt32(k), expertCount: UInt32(experts),
                sequenceRows: UInt32(sequenceRows), expertCapacity: expertCapacity.map { UInt32($0) } ?? .max,
                droppedIndex: UInt32(droppedIndex)))
    }
}
