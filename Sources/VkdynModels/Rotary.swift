import Foundation
public import VkdynCore
public import VkdynFormats
public import VkdynSchedule

/// How rotary angles follow from positions (Su et al., "RoFormer", arXiv:2104.09864).
public struct RotaryConfiguration: Sendable, Equatable {
    /// Changes to the frequencies for contexts longer than the model was first trained on.
    public enum Scaling: Sendable, Equatable {
        case none
        /// Positions divided by a factor.
        case linear(factor: Float)
        /// Llama 3's: low frequencies divided, high ones kept, those between blended.
        case llama3(factor: Float, lowFactor: Float, highFactor: Float, originalContext: Float)
        case yarn(YaRN)
    }

    public var theta: Float
    public var headSize: Int
    public var scaling: Scaling

    /// Reads both forms in which configurations are published: `rope_theta` with `rope_scaling`, and
    /// `rope_parameters`.
    public init(_ config: ConfigObject, headSize: Int) throws(FormatError) {
        self.headSize = headSize
        let parameters = try config.optionalObject("rope_parameters")
        let fallback = try config.number("rope_theta", in: 1...1e12, default: 10_000)
        theta = Float(try parameters?.number("rope_theta", in: 1...1e12, default: fallback) ?? fallback)
        let nested = try config.optionalObject("rope_scaling")
        guard let object = parameters ?? nested else {
            scaling = .none
            return
        }
        let older = try object.optionalString("type")
        let type = try object.optionalString("rope_type") ?? older ?? "default"
        let factors = 1e-6...1e6
        switch type {
        case "default": scaling = .none
        case "linear": scaling = .linear(factor: Float(try object.number("factor", in: factors)))
        case "llama3":
            scaling = .llama3(
                factor: Float(try object.number("factor", in: factors)),
                lowFactor: Float(try object.number("low_freq_factor", in: factors)),
                highFactor: Float(try object.number("high_freq_factor", in: factors)),
                originalContext: Float(try object.integer("original_max_position_embeddings")))
        case "yarn":
            guard theta > 1 else { throw config.error("rope_theta", "1 has no logarithm by which yarn could scale") }
            scaling = .yarn(try YaRN(object, config))
        default:
            throw object.error(
                "rope_type", "\"\(type)\" is not a scaling that vkdyn knows; it knows linear, llama3 and yarn")
        }
    }

    /// Radians a position, for each pair of dimensions, [headSize / 2].
    public var frequencies: [Float] {
        (0..<headSize / 2).map { pair in
            let exponent = Float(2 * pair) / Float(headSize)
            let frequency = 1 / Float(pow(Double(theta), Double(exponent)))
            switch scaling {
            case .none: return frequency
            case .linear(let factor): return frequency / factor
            case .llama3(let factor, let lowFactor, let highFactor, let originalContext):
                let wavelength = 2 * Float.pi / frequency
                if wavelength < originalContext / highFactor { return frequency }
                if wavelength > originalContext / lowFactor { return frequency / factor }
                let smooth = (originalContext / wavelength - lowFactor) / (highFactor - lowFactor)
                return (1 - smooth) * (frequency / factor) + smooth * frequency
            case .yarn(let yarn): return yarn.frequency(ofPair: pair, theta: theta, headSize: headSize)
            }
        }
    }

    /// What cosines and sines are multiplied by.
    public var attentionFactor: Float {
        if case .yarn(let yarn) = scaling { Float(yarn.attentionFactor) } else { 1 }
    }

    /// The scale of attention scores in DeepSeek's models, which grows with the context under YaRN.
    /// - Parameter keySize: dimensions of a head's key, those without rotation included.
    public func softmaxScale(keySize: Int) -> Float {
        var factor = 1.0
        if case .yarn(let yarn) = scaling { factor = yarn.softmaxFactor }
        return Float(factor / Double(keySize).squareRoot())
    }
}

/// Cosines and sines of every position, times the attention factor, made once on the host so that all devices rotate by
/// the same bits.
public struct RotaryTable: Sendable {
    /// [positions, headSize / 2].
    public let cosine: Buffer
    public let sine: Buffer

    public init(
        _ configuration: RotaryConfiguration, positionCount: Int, device: any Device
    ) throws(DeviceError) {
        let frequencies = configuration.frequencies
        let factor = configuration.attentionFactor
        var cosines: [Float] = []
        var sines: [Float] = []
        cosines.reserveCapacity(positionCount * frequencies.count)
        sines.reserveCapacity(positionCount * frequencies.count)
        for position in 0..<positionCount {
            for frequency in frequencies {
                let angle = Double(Float(position) * frequency)
                cosines.append(Float(cos(angle)) * factor)
                sines.append(Float(sin(angle)) * factor)
            }
        }
        cosine = try device.makeBuffer(.floats(cosines), label: "rotary.cosine")
        sine = try device.makeBuffer(.floats(sines), label: "rotary.sine")
    }
}
