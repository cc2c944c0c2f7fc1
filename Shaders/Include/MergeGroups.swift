import VkdynCore

/// Random groups of one image's tokens, for the cases of the kernels that merge them: every row has a member.
struct MergeGroups {
    /// [tokens]
    let targets: [UInt32]
    /// [tokens], ascending within each row.
    let members: [UInt32]
    /// [rows + 1]
    let offsets: [UInt32]

    /// - Parameter isPresent: an absent image's lists hold what no kernel may use.
    init(tokens: Int, rows: Int, isPresent: Bool, _ random: inout CaseGenerator) {
        guard isPresent else {
            targets = Array(repeating: .max, count: tokens)
            members = targets
            offsets = Array(repeating: .max, count: rows + 1)
            return
        }
        // Few large groups and many small ones.
        let drawn = (0..<max(tokens - rows, 0)).map { _ in
            UInt32.random(in: 0..<UInt32(max(Bool.random(using: &random) ? rows : (rows + 7) / 8, 1)), using: &random)
        }
        let targets = (Array(0..<UInt32(rows)) + drawn).shuffled(using: &random)
        self.targets = targets
        members = (0..<UInt32(tokens)).sorted { (targets[Int($0)], $0) < (targets[Int($1)], $1) }
        offsets = (0...rows).map { row in UInt32(targets.count { $0 < UInt32(row) }) }
    }
}
