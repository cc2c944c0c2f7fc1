/// How tokens become text again: `decoder` of tokenizer.json, as a chain of stages.
struct TokenDecoder: Sendable {
    /// One step of the chain, from pieces of text to pieces of text.
    enum Stage: Sendable {
        /// The characters of all tokens stand for bytes, which together are UTF-8.
        case byteLevel
        case replace(LiteralPattern, with: [UInt8])
        /// Runs of tokens `<0x00>` to `<0xFF>` are bytes; a run that is not UTF-8 becomes U+FFFD throughout.
        case byteFallback
        case fuse
        /// Up to `start` and `stop` times `content` is cut from the ends of every piece.
        case strip(content: UInt32, start: Int, stop: Int)
        /// `mark` becomes a space, or nothing in the first piece.
        case metaspace(mark: UInt32, dropsInFirst: Bool)
        /// Without a decoder tokens are joined by spaces.
        case joinWithSpaces
        /// White space at both ends of the text is dropped.
        case trim
    }

    /// After ByteLevel: what ends a word becomes a space, as for CLIP.
    static func wordEnds(_ suffix: String) -> [Stage] {
        [.replace(LiteralPattern(text: Array(suffix.utf8)), with: [0x20]), .trim]
    }

    let stages: [Stage]
}

/// Runs a `TokenDecoder` token by token. What it has given out never changes with later tokens, and all of it
/// together is what decoding all tokens at once gives.
struct TokenDecoderState: Sendable {
    /// Where one stage stands.
    private struct StageState: Sendable {
        /// Whether an earlier stage fuses the pieces, so that pieces are parts of one.
        let isFused: Bool
        /// Whether parts can be handled as they come; otherwise they are kept until the end.
        let streams: Bool
        /// Bytes held back.
        var held: [UInt8] = []
        var pieceCount = 0
        /// `strip` only: how many more may be cut at the start of the fused piece.
        var cutsLeft = 0
    }

    private let stages: [TokenDecoder.Stage]
    private var states: [StageState]
    private var output: [UInt8] = []

    init(_ decoder: TokenDecoder) {
        stages = decoder.stages
        states = []
        var isFused = false
        for stage in stages {
            var state = StageState(isFused: isFused, streams: !isFused || Self.streams(stage))
            if case .strip(_, let start, _) = stage { state.cutsLeft = start }
            states.append(state)
            switch stage {
            case .byteLevel, .fuse: isFused = true
            case .replace, .byteFallback, .strip, .metaspace, .joinWithSpaces, .trim: break
            }
        }
    }

    /// Whether a stage can work on parts of one fused piece.
    private static func streams(_ stage: TokenDecoder.Stage) -> Bool {
        switch stage {
        case .fuse, .metaspace: true
        case .strip(_, _, let stop): stop == 0
        case .replace(let pattern, _): pattern.minimumRepeats == nil && isOneScalar(pattern.text)
        case .byteLevel, .byteFallback, .joinWithSpaces, .trim: false
        }
    }

    private static func isOneScalar(_ text: [UInt8]) -> Bool {
        text.withUnsafeBufferPointer { scalar(in: $0, at: 0).length == $0.count }
    }

    /// Takes the next token.
    mutating func push(_ token: UnsafeBufferPointer<UInt8>) { feed(token, to: 0) }

    /// Ends the sequence: what was held back becomes text.
    mutating func finish() {
        for stage in stages.indices {
            if !states[stage].streams {
                let held = states[stage].held
                states[stage].held = []
                held.withUnsafeBufferPointer { handle($0, at: stage) }
            }
            flush(stage)
        }
    }

    /// The text that has become certain since the last call.
    mutating func takeText() -> String {
        if output.isEmpty { return "" }
        defer { output.removeAll(keepingCapacity: true) }
        return String(decoding: output, as: UTF8.self)
    }

    private mutating func feed(_ piece: UnsafeBufferPointer<UInt8>, to stage: Int) {
        if stage == stages.count {
            output.append(contentsOf: piece)
        } else if states[stage].streams {
            handle(piece, at: stage)
        } else {
            states[stage].held.append(contentsOf: piece)
        }
    }

    private mutating func feed(_ piece: [UInt8], to stage: Int) {
        piece.withUnsafeBufferPointer { feed($0, to: stage) }
    }

    private mutating func handle(_ piece: UnsafeBufferPointer<UInt8>, at stage: Int) {
        states[stage].pieceCount += 1
        switch stages[stage] {
        case .byteLevel:
            ByteLevelAlphabet.decode(piece, into: &states[stage].held)
            feed(takeCompleteUTF8(&states[stage].held, isLast: false), to: stage + 1)
        case .replace(let pattern, let replacement):
            feed(TextPattern.literal(pattern).replace(in: Array(piece), with: replacement), to: stage + 1)
        case .byteFallback:
            if let byte = Self.fallbackByte(piece) {
                states[stage].held.append(byte)
            } else {
                flush(stage)
                feed(piece, to: stage + 1)
            }
        case .fuse: feed(piece, to: stage + 1)
        case .strip(let content, let start, let stop): strip(piece, content, start, stop, at: stage)
        case .metaspace(let mark, let dropsInFirst):
            let isFirst = states[stage].pieceCount == 1 || states[stage].isFused
            var out: [UInt8] = []
            var index = 0
            while index < piece.count {
                let (value, length) = scalar(in: piece, at: index)
                index += length
                if value != mark {
                    out.appendUTF8(value)
                } else if !(isFirst && dropsInFirst) {
                    out.append(0x20)
                }
            }
            feed(out, to: stage + 1)
        case .joinWithSpaces:
            if states[stage].pieceCount > 1 { feed([0x20], to: stage + 1) }
            feed(piece, to: stage + 1)
        case .trim:
            let start = endOfSpaces(in: piece, from: 0)
            let end = max(start, startOfSpaces(in: piece, before: piece.count))
            feed(UnsafeBufferPointer(rebasing: piece[start..<end]), to: stage + 1)
        }
    }

    /// Gives out what a stage holds back because more tokens could belong to it.
    private mutating func flush(_ stage: Int) {
        switch stages[stage] {
        case .byteLevel: feed(takeCompleteUTF8(&states[stage].held, isLast: true), to: stage + 1)
        case .byteFallback:
            let bytes = states[stage].held
            if bytes.isEmpty { return }
            states[stage].held = []
            if bytes.withUnsafeBufferPointer({ firstInvalidUTF8Offset(in: $0) }) == nil {
                feed(bytes, to: stage + 1)
            } else {
                for _ in bytes { feed(replacementCharacter, to: stage + 1) }
            }
        case .replace, .fuse, .strip, .metaspace, .joinWithSpaces, .trim: break
        }
    }

    private mutating func strip(
        _ piece: UnsafeBufferPointer<UInt8>, _ content: UInt32, _ start: Int, _ stop: Int, at stage: Int
    ) {
        var cuts = states[stage].isFused ? states[stage].cutsLeft : start
        var from = 0
        while cuts > 0, from < piece.count {
            let (value, length) = scalar(in: piece, at: from)
            if value != content {
                cuts = 0
                break
            }
            from += length
            cuts -= 1
        }
        states[stage].cutsLeft = cuts
        var to = piece.count
        for _ in 0..<stop where to > from {
            let last = scalarStart(in: piece, before: to)
            if scalar(in: piece, at: last).value != content { break }
            to = last
        }
        feed(UnsafeBufferPointer(rebasing: piece[from..<to]), to: stage + 1)
    }

    /// The byte that a token `<0xNN>` stands for.
    private static func fallbackByte(_ token: UnsafeBufferPointer<UInt8>) -> UInt8? {
        guard token.count == 6, token[0] == UInt8(ascii: "<"), token[1] == UInt8(ascii: "0"),
            token[2] == UInt8(ascii: "x"), token[5] == UInt8(ascii: ">")
        else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }
}

/// U+FFFD in UTF-8.
let replacementCharacter: [UInt8] = [0xEF, 0xBF, 0xBD]

/// Removes from `held` what can be decoded and returns it with U+FFFD for every maximal ill-formed part. An
/// incomplete scalar at the end stays unless `isLast`.
func takeCompleteUTF8(_ held: inout [UInt8], isLast: Bool) -> [UInt8] {
    if held.allSatisfy({ $0 < 0x80 }) {
        defer { held = [] }
        return held
    }
    var out: [UInt8] = []
    out.reserveCapacity(held.count)
    let consumed = held.withUnsafeBufferPointer { bytes in
        var index = 0
        while index < bytes.count {
            var isTruncated = false
            let length = wellFormedLength(in: bytes, at: index, isTruncated: &isTruncated)
            if length > 0 {
                out.append(contentsOf: bytes[index..<index + length])
                index += length
            } else if isTruncated, !isLast {
                return index
            } else {
                out.append(contentsOf: replacementCharacter)
                index -= length
            }
        }
        return index
    }
    held.removeFirst(consumed)
    return out
}
