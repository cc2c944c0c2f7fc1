/// Names across the two languages: folders are Swift types, stems and GLSL members are snake case.
enum Naming {
    /// `RMSNorm` → `rms_norm`, `KVAppend` → `kv_append`.
    static func snake(_ name: String) -> String {
        let characters = Array(name)
        var result = ""
        for (index, character) in characters.enumerated() {
            if character.isUppercase, index > 0 {
                let afterLower = !characters[index - 1].isUppercase
                let beforeLower = index + 1 < characters.count && characters[index + 1].isLowercase
                if afterLower || beforeLower { result += "_" }
            }
            result += character.lowercased()
        }
        return result
    }

    /// `row_capacity` → `rowCapacity`, `HAS_BIAS` → `hasBias`.
    static func camel(_ name: String) -> String {
        let parts = name.lowercased() == name || name.uppercased() == name
            ? name.lowercased().split(separator: "_").map(String.init) : [name]
        guard let first = parts.first else { return name }
        return first + parts.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// The rest of a variant's stem: `matmul_rows` of `matmul` → `rows`.
    static func suffix(_ stem: String, of kernel: String) -> String {
        stem.hasPrefix(kernel + "_") ? String(stem.dropFirst(kernel.count + 1)) : stem
    }
}
