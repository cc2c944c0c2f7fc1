import Foundation
import Testing
import VkdynCore
import VkdynKernels

@Suite struct TokenFilterTests {
    private func filter(_ row: [Float], temperature: Float = 1, topK: UInt32 = 0, topP: Float = 1) -> [Float] {
        TwinCall<TokenFilter>(
            .init(
                rows: .structure(RowCount(count: 1, capacity: 1)), logits: .floats(row),
                sampling: .structure(SamplingParameters(temperature: temperature, topK: topK, topP: topP)),
                result: .unwritten(row.count)),
            .init(rowCapacity: 1, width: UInt32(row.count))
        ).run().floats("result")
    }

    private func kept(_ row: [Float], topK: UInt32 = 0, topP: Float = 1) -> [Int] {
        let result = filter(row, topK: topK, topP: topP)
        return result.indices.filter { result[$0] > -.infinity }
    }

    /// Temperature, top-k and top-p by sorting, in double precision. Masses that lie within 10⁻⁵ of the threshold may
    /// fall on either side, so the answer is a range of how many tokens stay.
    @Test func agreesWithSortingInDouble() {
        var random = CaseGenerator(seed: 5)
        var exactCount = 0
        for trial in 0..<400 {
            let width = [1, 2, 7, 50, 333, 2000][trial % 6]
            let scale: Float = [0.5, 4, 12][trial % 3]
            let row = zip(random.floats(width, scale: scale), random.floats(width, scale: scale)).map { $0 + $1 }
            let temperature = Float.random(in: 0.2...2, using: &random)
            let topK = trial % 4 == 0 ? 0 : UInt32.random(in: 1...UInt32(width + 3), using: &random)
            let topP = trial % 5 == 0 ? 1 : Float.random(in: 0.01..<1, using: &random)
            let result = filter(row, temperature: temperature, topK: topK, topP: topP)

            let scaled = row.map { Double($0) / Double(temperature) }
            var ranked = (0..<width).sorted { scaled[$0] != scaled[$1] ? scaled[$0] > scaled[$1] : $0 < $1 }
            if topK > 0 { ranked = Array(ranked.prefix(Int(topK))) }
            var (least, most) = (ranked.count, ranked.count)
            if topP < 1 {
                let masses = ranked.map { exp(scaled[$0] - scaled[ranked[0]]) }
                let total = masses.reduce(0, +)
                var before = 0.0
                (least, most) = (0, 0)
                for mass in masses {
                    if before / total < Double(topP) - 1e-5 || least == 0 { least += 1 }
                    if before / total < Double(topP) + 1e-5 || most == 0 { most += 1 }
                    before += mass
                }
            }
            let stayed = result.indices.filter { result[$0] > -.infinity }
            #expect((least...most).contains(stayed.count), "trial \(trial)")
            #expect(Set(stayed) == Set(ranked.prefix(stayed.count)), "trial \(trial)")
            if least == most { exactCount += 1 }
            for token in stayed {
                #expect(abs(Double(result[token]) - scaled[token]) <= 2 * Double(result[token].ulp), "trial \(trial)")
            }
        }
        // The range is a single number nearly always.
        #expect(exactCount > 380)
    }

    @Test func keepsExactlyKAndTheLowestIndexOfATie() {
        #expect(kept([1, 2, 2, 2, 0], topK: 2) == [1, 2])
        #expect(kept([0, -0.0, 0, -0.0], topK: 3) == [0, 1, 2])
        #expect(kept([5, 5, 5], topK: 9) == [0, 1, 2])
        #expect(kept([.infinity, 1, .infinity], topK: 1) == [0])
    }

    @Test func topPKeepsTheTokenThatCrosses() {
        // Masses of a quarter each: 0, ¼ and ½ lie before the first three. The fraction has 24 bits.
        #expect(kept([1, 1, 1, 1], topP: 0.5) == [0, 1])
        #expect(kept([1, 1, 1, 1], topP: Float(0.5).nextUp) == [0, 1, 2])
        #expect(kept([1, 1, 1, 1], topP: Float(0.25).nextUp) == [0])
        #expect(kept([1, 1, 1, 1], topP: 0) == [0])
        #expect(kept([1, 2, 1], topP: -3) == [1])
        #expect(kept([1, 2, 1], topP: .nan) == [0, 1, 2])
        // After top-k, masses are over what is left.
        #expect(kept([1, 1, 1, 1], topK: 2, topP: 0.6) == [0, 1])
        #expect(kept([1, 1, 1, 1], topK: 2, topP: 0.5) == [0])
    }

    @Test func removesWhatIsNoToken() {
        #expect(kept([.nan, 1, -.infinity], topK: 3, topP: 0.9) == [1])
        #expect(filter([.nan, .nan], topK: 1, topP: 0.5) == [-.infinity, -.infinity])
        #expect(filter([-.infinity, .nan, -.infinity], topP: 0.5).allSatisfy { $0 == -.infinity })
        // Infinity takes all the mass.
        #expect(kept([3, .infinity, 3], topP: 0.999) == [1])
    }

    @Test func everyCaseKeepsAPrefixOfTheRanks() {
        for kernelCase in TokenFilter.cases {
            let call = TwinCall<TokenFilter>(kernelCase).run()
            let parameters = TokenFilter.Parameters(words: kernelCase.parameters)
            let width = Int(parameters.width)
            let sampling = call.structure("sampling", as: SamplingParameters.self)
            let result = call.floats("result")
            // A small temperature makes ties at infinity.
            let factor = Functions.reciprocal(sampling.temperature)
            let logits = call.floats("logits").map { $0 * factor }
            for row in 0..<min(Int(call.structure("rows", as: RowCount.self).count), Int(parameters.rowCapacity)) {
                let range = row * width..<(row + 1) * width
                let stayed = range.filter { result[$0] > -.infinity }
                if sampling.topK > 0 { #expect(stayed.count <= Int(sampling.topK)) }
                let lowest = stayed.map { logits[$0] }.min() ?? .infinity
                let gone = range.filter { result[$0] == -.infinity && !logits[$0].isNaN }
                #expect(gone.allSatisfy { logits[$0] <= lowest || logits[$0] == -.infinity }, "\(kernelCase.label)")
            }
        }
    }
}
