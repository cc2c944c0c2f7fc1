// PNG and JPEG files, with their Exif blocks.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzImages(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    ImageFuzzTarget.image(UnsafeRawBufferPointer(start: data, count: size))
    return 0
}
