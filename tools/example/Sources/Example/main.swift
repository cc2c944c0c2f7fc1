import Foundation
import Vkdyn

// The pair that comes with vkdyn; .folder("path") takes a model as Hugging Face publishes it.
let model = try await LanguageModel.load(target: .shipped, draft: .shipped)
print("\(model.device.name): \(model.parameterCount) parameters, \(model.draftParameterCount) in the draft")

let prompt = "The key advantage of dynamic computation in AI is"
let options = GenerateOptions(maximumNewTokens: 40, drafting: .constant(length: 4))
print(prompt, terminator: "")
for try await event in model.generate(prompt, options: options) {
    switch event {
    case .piece(let piece):
        print(piece.text, terminator: "")
        fflush(nil)
    case .finished(let result):
        let telemetry = result.telemetry
        print("\n\(telemetry.generatedTokens) tokens in \(telemetry.rounds) rounds, ended by \(result.stopReason);")
        print("\(Int(telemetry.acceptanceRate * 100))% of the drafts accepted")
    }
}
