import VkdynCore
import VkdynKernels

/// The part of a layer that treats every token alone.
enum FeedForward: Sendable {
    case dense(GatedFeedForward)
    case plain(PlainFeedForward)
    case experts(ExpertFeedForward)

    /// Bytes of one expert's weights; 0 for a dense layer.
    var expertByteCount: Int {
        guard case .experts(let layer) = self else { return 0 }
        return layer.gateAndUp.layerByteCount + layer.down.layerByteCount
    }

    var expertCache: ExpertCache? {
        guard case .experts(let layer) = self else { return nil }
        return layer.cache
    }

    /// Bytes of the weights that every token reads: all but the experts'.
    var everyTokenByteCount: Int {
        switch self {
        case .dense(let layer): layer.byteCount
        case .plain(let layer): layer.up.byteCount + layer.down.byteCount
        case .experts(let layer):
            layer.router.byteCount + (layer.choiceBias?.byteCount ?? 0) + (layer.shared?.byteCount ?? 0)
                + (layer.sharedGate?.byteCount ?? 0)
        }
    }

    /// - Parameters:
    ///   - source: [rows, width], normed.
    ///   - residual: [rows, width], added last.
    /// - Returns: [rows, width].
    func record(
        into recording: inout Recording, _ source: Buffer, residual: Buffer, pass: DecoderPass, cache: KeyValueCache
    ) -> Buffer {
        switch self {
        case .dense(let layer): layer.record(into: &recording, source, rows: pass.rows, residual: residual)
        case .plain(let layer): layer.record(into: &recording, source, rows: pass.rows, residual: residual)
        case .experts(let layer):
            layer.record(into: &recording, source, residual: residual, pass: pass, log: cache.experts)
        }
    }
}

/// A gated feed-forward layer (Shazeer, arXiv:2002.05202): `down(activation(gate(x)) · up(x))`.
struct GatedFeedForward: Sendable {
    let gateAndUp: Linear
    let down: Linear
    /// Of the gate.
    var activation = Activation.silu

    var byteCount: Int { gateAndUp.byteCount + down.byteCount }

    /// Columns between the two products.
    private var innerWidth: Int { down.depth }

    /// - Parameters:
    ///   - source: [rows, width].
    ///   - residual: [rows, width], added last.
    /// - Returns: [rows, width].
    func record(
        into recording: inout Recording, _ source: Buffer, rows: Counted, residual: Buffer? = nil
    ) -> Buffer {
        let gated = recordGated(into: &recording, source, rows: rows)
        return down.record(into: &recording, "down", gated, rows: rows, residual: residual)
    }

    /// What the second matrix takes, [rows, inner width].
    func recordGated(into recording: inout Recording, _ source: Buffer, rows: Counted) -> Buffer {
        let both = gateAndUp.record(into: &recording, "gate_up", source, rows: rows)
        return recording.gated(both, width: innerWidth, rows: rows, activation: activation)
    }
}

/// A feed-forward layer that gates nothing: `down(activation(up(x)))`.
struct PlainFeedForward: Sendable {
    let up: Linear
    let down: Linear
    let activation: Activation

    /// - Parameters:
    ///   - source: [rows, width].
    ///   - residual: [rows, width], added last.
    /// - Returns: [rows, width].
    func record(into recording: inout Recording, _ source: Buffer, rows: Counted, residual: Buffer) -> Buffer {
        let inner = up.record(into: &recording, "up", source, rows: rows, activation: activation)
        return down.record(into: &recording, "down", inner, rows: rows, residual: residual)
    }
}

extension Recording {
    /// What lies between the two products of an expert.
    /// - Parameter source: of the first product, [rows, 2 · width] where it is gated, else [rows, width].
    /// - Returns: [rows, width].
    mutating func inner(
        _ source: Buffer, _ inner: ExpertConfiguration.Inner, width: Int, rows: Counted
    ) -> Buffer {
        guard case .activation(let activation) = inner else {
            return gated(source, width: width, rows: rows, activation: .silu)
        }
        let result = transient(.f32, count: rows.capacity * width, "activated")
        dispatch(
            Activate.self, "activated", .init(rows: rows.buffer, source: source, result: result),
            .init(rowCapacity: UInt32(rows.capacity), width: UInt32(width)),
            constants: .init(activation: activation.rawValue), rows: rows)
        return result
    }

    /// - Parameters:
    ///   - both: [rows, 2 · width], the gate, then the product.
    ///   - activation: of the gate.
    /// - Returns: [rows, width].
    mutating func gated(_ both: Buffer, width: Int, rows: Counted, activation: Activation) -> Buffer {
        let result = transient(.f32, count: rows.capacity * width, "gated")
        dispatch(
            ActivationGate.self, "gated", .init(rows: rows.buffer, source: both, result: result),
            .init(rowCapacity: UInt32(rows.capacity), width: UInt32(width)),
            constants: .init(activation: activation.rawValue), rows: rows)
        return result
    }
}

extension WeightLoader {
    /// The feed-forward of a layer, with experts where the configuration has them.
    /// - Parameters:
    ///   - prefix: the layer's name with its dot, as in `model.layers.3.`.
    ///   - innerWidth: of a dense one.
    mutating func feedForward(
        _ prefix: String, layer: Int, experts: ExpertConfiguration?, width: Int, innerWidth: Int, hasBias: Bool = false
    ) throws -> FeedForward {
        guard let experts, experts.ordinal(ofLayer: layer, in: .decoder) != nil else {
            return .dense(
                try gatedFeedForward(prefix + "mlp.", width: width, innerWidth: innerWidth, hasBias: hasBias))
        }
        return .experts(try self.experts(experts, prefix: prefix, layer: layer, width: width))
    }

    /// A gated feed-forward layer: `gate_proj`, `up_proj` and `down_proj` below `prefix`.
    mutating func gatedFeedForward(
        _ prefix: String, width: Int, innerWidth: Int, hasBias: Bool = false
    ) throws -> GatedFeedForward {
        GatedFeedForward(
            gateAndUp: try linear(
                [prefix + "gate_proj", prefix + "up_proj"], inputs: width, outputs: [innerWidth, innerWidth],
                hasBias: hasBias, label: prefix + "gate_up"),
            down: try linear(
                [prefix + "down_proj"], inputs: innerWidth, outputs: [width], hasBias: hasBias,
                label: prefix + "down_proj"))
    }
}
