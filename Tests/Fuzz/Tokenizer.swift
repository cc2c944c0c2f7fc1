// A tokenizer.json, and encoding and decoding with it where it is accepted.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokenizer(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    FuzzTargets.tokenizer(UnsafeRawBufferPointer(start: data, count: size))
    return 0
}
