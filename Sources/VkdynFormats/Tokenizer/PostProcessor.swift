/// What is put around the ids of a text: `post_processor` of tokenizer.json.
struct PostProcessor: Sendable {
    /// A part of a template.
    enum Part: Sendable, Equatable {
        /// The ids so far.
        case text
        case ids([Int])
    }

    /// Templates that are applied one after another.
    var templates: [[Part]] = []

    func apply(to ids: [Int]) -> [Int] {
        templates.reduce(ids) { ids, template in
            template.flatMap { part in
                switch part {
                case .text: ids
                case .ids(let special): special
                }
            }
        }
    }
}
