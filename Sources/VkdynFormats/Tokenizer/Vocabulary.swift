/// The tokens of a model and their ids.
struct Vocabulary: Sendable {
    /// Ids beyond this are refused: they would be a lie about the size of the embedding.
    static let idLimit = 1 << 24

    private var table: ByteTable
    /// The id of every entry of `table`.
    private var ids: [Int32]
    /// The entry that has an id, or -1.
    private var entries: [Int32] = []

    /// Number of tokens; ids may have gaps beyond it.
    var count: Int { table.count }
    /// One more than the largest id.
    var idBound: Int { entries.count }

    init(minimumCapacity: Int) {
        table = ByteTable(minimumCapacity: minimumCapacity)
        ids = []
        ids.reserveCapacity(minimumCapacity)
        entries.reserveCapacity(minimumCapacity)
    }

    /// Adds a token; of a token that occurs twice the last id counts. Returns whether the id was free.
    mutating func add(_ token: String, id: Int) -> Bool {
        let (entry, isNew) = table.insert(token)
        if isNew {
            ids.append(Int32(id))
        } else {
            entries[Int(ids[entry])] = -1
            ids[entry] = Int32(id)
        }
        if id >= entries.count {
            entries.append(contentsOf: repeatElement(-1, count: id + 1 - entries.count))
        }
        if entries[id] >= 0 { return false }
        entries[id] = Int32(entry)
        return true
    }

    /// The id of the token with these bytes, or nil.
    @inline(__always)
    func id(of bytes: UnsafeBufferPointer<UInt8>) -> Int32? { table.index(of: bytes).map { ids[$0] } }

    /// The id of a token, or nil.
    func id(of token: String) -> Int32? { table.index(of: token).map { ids[$0] } }

    /// The ids of `<0x00>` to `<0xFF>`, or nil where one is lacking.
    var byteIDs: [Int32?] {
        (0..<256).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return id(of: "<0x\(byte < 16 ? "0" : "")\(digits)>")
        }
    }

    /// The token of an id, or nil.
    func token(of id: Int) -> String? { entry(of: id).map { table.string(of: $0) } }

    /// Calls `body` with the bytes of the token of an id; nil when there is none.
    func withToken<Result>(of id: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result? {
        entry(of: id).map { table.withBytes(of: $0, body) }
    }

    /// Calls `body` with the bytes and the id of every token.
    func forEachToken(_ body: (UnsafeBufferPointer<UInt8>, Int32) -> Void) {
        for entry in 0..<table.count { table.withBytes(of: entry) { body($0, ids[entry]) } }
    }

    private func entry(of id: Int) -> Int? {
        guard entries.indices.contains(id), entries[id] >= 0 else { return nil }
        return Int(entries[id])
    }
}
