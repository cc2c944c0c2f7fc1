import VkdynCore
import VkdynKernels

extension Recording {
    /// Multiply-adds of the recorded products: those of matrices, convolutions, attention and matching. A kernel's taps
    /// outside a picture count as well.
    var multiplyAdds: Int {
        dispatches.reduce(0) { total, dispatch in
            let words = dispatch.parameters
            if dispatch.kernel == Matmul.self {
                let p = Matmul.Parameters(words: words)
                return total + Int(p.rowCapacity) * Int(p.depth) * Int(p.columns) * Int(p.batchCount)
            }
            if dispatch.kernel == Convolution.self {
                let p = Convolution.Parameters(words: words)
                let pixels = Int(p.imageCapacity) * Int(p.resultHeight) * Int(p.resultWidth)
                return total + pixels * Int(p.kernelSize) * Int(p.kernelSize) * Int(p.channels) * Int(p.columns)
            }
            if dispatch.kernel == Attention.self {
                let p = Attention.Parameters(words: words)
                return total + Int(p.rowCapacity) * Int(p.headCount) * Int(p.keyCount) * Int(p.headSize + p.valueSize)
            }
            if dispatch.kernel == BestMatch.self {
                let p = BestMatch.Parameters(words: words)
                return total + Int(p.imageCapacity) * Int(p.sourceCount) * Int(p.destinationCount) * Int(p.width)
            }
            return total
        }
    }
}
