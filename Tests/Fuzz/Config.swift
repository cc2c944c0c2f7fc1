// The JSON parser and the typed fields of configuration files.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfig(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    FuzzTargets.config(UnsafeRawBufferPointer(start: data, count: size))
    return 0
}
