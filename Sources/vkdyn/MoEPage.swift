import Foundation
import VkdynProfile

extension MoEReport {
    /// Tokens and layers of the table of ways; a larger model's or a longer text's are cut.
    private static let (shownTokens, shownLayers) = (48, 12)

    /// One page that needs no network: what choosing saves, the load of every expert, and the way of the tokens.
    /// - Parameter command: its words.
    func page(command: [String]) -> String {
        ReportPage(
            title: "vkdyn \(command.joined(separator: " "))", header: header(command),
            sections: [.init("load", "Load of the experts", heatMap)] + wayOfTokens, footer: footer, style: Self.style
        ).text
    }

    private func header(_ command: [String]) -> String {
        let s = summary
        var tiles = [
            ("Speed", String(format: "%.1f tokens/s", s.tokensPerSecond), "with \(s.chosenCount) of \(s.expertCount) experts"),
            (
                "Active parameters", Figures.percent(s.activeShare),
                "\(Figures.count(s.activeParameters)) of \(Figures.count(s.totalParameters))"
            ),
            (
                "Weights read a token", Figures.bytes(Int(s.bytesReadPerToken)),
                "all experts: " + Figures.bytes(Int(s.denseBytesReadPerToken))
            ),
        ]
        if let saving = s.timeSaving, let dense = s.denseTokensPerSecond {
            tiles.append(
                (
                    "Time of all experts", String(format: "%.2f×", saving),
                    String(format: "%.1f tokens/s, %.2f× the bytes", dense, s.bytesSaving)
                ))
        }
        tiles.append(
            (
                "Cache a token", Figures.bytes(s.cacheBytesPerToken),
                s.cacheBytesPerToken < s.fullHeadCacheBytesPerToken
                    ? "full heads: " + Figures.bytes(s.fullHeadCacheBytesPerToken) : "keys and values"
            ))
        let facts = [("Device", device), ("Model", model), ("Texts", "\(results.count)")]
            + (summary.capacityRule.map { [("Capacity", $0)] } ?? [])
        return """
            <header>
            <p class="product">vkdyn run moe</p>
            <h1>\(HTML.escaped(command.joined(separator: " ")))</h1>
            <dl class="facts">
            \(HTML.join(facts) { "<div><dt>\($0.0)</dt><dd>\(HTML.escaped($0.1))</dd></div>" })
            </dl>
            <dl class="tiles">
            \(HTML.join(tiles) { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd><dd class=\"note\">\($0.2)</dd></div>" })
            </dl>
            </header>
            """
    }

    // MARK: Load

    /// A row a layer, a column an expert; the darker, the more of the layer's tokens.
    private var heatMap: String {
        let expertCount = summary.expertCount
        let (left, top, width) = (summary.encodesPrompt == nil ? 72.0 : 128.0, 26.0, 1168.0)
        let gap = expertCount > 64 ? 1.0 : 2.0
        let side = min(44, (width - left - 190) / Double(max(expertCount, 1)))
        let height = max(14, min(30, side))
        let right = left + side * Double(expertCount) + 16
        let even = 1 / Double(max(expertCount, 1))
        let shares = summary.layers.map { layer in
            let all = max(1, layer.tokensPerExpert.reduce(0, +))
            return layer.tokensPerExpert.map { Double($0) / Double(all) }
        }
        let most = max(shares.joined().max() ?? even, even)
        var parts: [String] = []
        let labelStep = [1, 2, 4, 8, 16, 32, 64, 128].first { side * Double($0) >= 26 } ?? 256
        for expert in stride(from: 0, to: expertCount, by: labelStep) {
            parts.append(text(left + (Double(expert) + 0.5) * side - gap / 2, top - 9, "middle", "\(expert)"))
        }
        for (row, layer) in summary.layers.enumerated() {
            let y = top + Double(row) * (height + gap)
            parts.append(text(left - 10, y + height / 2 + 4, "end", layer.name))
            for (expert, share) in shares[row].enumerated() {
                let count = layer.tokensPerExpert[expert]
                let tip = "\(layer.name), expert \(expert): \(count) tokens, \(Figures.percent(share)); an even "
                    + "share is \(Figures.percent(even))"
                parts.append(
                    String(
                        format: "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\" fill-opacity=\"%.3f\">",
                        left + Double(expert) * side, y, max(side - gap, 0.5), height, share / most)
                        + "<title>\(tip)</title></rect>")
                if count == 0 {
                    parts.append(
                        text(left + (Double(expert) + 0.5) * side - gap / 2, y + height / 2 + 4, "middle", "·"))
                }
            }
            let unused = layer.unusedExperts > 0 ? ", \(layer.unusedExperts) unused" : ""
            parts.append(
                text(right, y + height / 2 + 4, "start", String(format: "busiest %.2f× even", layer.imbalance) + unused))
        }
        let total = top + Double(summary.layers.count) * (height + gap) + 4
        return """
            <p class="lead">Each row is a layer, each column an expert. The fullest colour is \
            \(Figures.percent(most)) of a layer’s assignments, an even share \(Figures.percent(even)); a dot is an expert \
            that no token chose.</p>
            <figure class="scroll"><svg class="load" viewBox="0 0 \(Int(width)) \(Int(total))" role="img" \
            aria-label="Load of the experts by layer">
            \(parts.joined(separator: "\n"))
            </svg></figure>
            """
    }

    private func text(_ x: Double, _ y: Double, _ anchor: String, _ text: String) -> String {
        String(format: "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%@\">", x, y, anchor) + HTML.escaped(text) + "</text>"
    }

    // MARK: Ways

    /// For each text, the experts of its first tokens.
    private var wayOfTokens: [ReportPage.Section] {
        results.enumerated().map { index, result in
            let layers = summary.layers.prefix(Self.shownLayers)
            let pieces = result.tokenTexts
            let head = HTML.join(layers) { "<th>\($0.name)</th>" }
            let rows = HTML.join(result.experts.prefix(Self.shownTokens).enumerated()) { position, experts in
                let isPrompt = position < result.promptTokens.count
                let cells = HTML.join(experts.prefix(Self.shownLayers)) { chosen in
                    "<td>\(chosen.map(String.init).joined(separator: " "))</td>"
                }
                let piece = position < pieces.count ? pieces[position] : ""
                return "<tr\(isPrompt ? " class=\"prompt\"" : "")><th scope=\"row\">"
                    + "\(HTML.escaped(piece.isEmpty ? "·" : piece))</th>\(cells)</tr>"
            }
            var cut: [String] = []
            if result.experts.count > Self.shownTokens {
                cut.append("the first \(Self.shownTokens) of \(result.experts.count) tokens")
            }
            if summary.layers.count > layers.count {
                cut.append("the first \(layers.count) of \(summary.layers.count) layers")
            }
            return ReportPage.Section(
                "text\(index)", "The way of the tokens: \(HTML.escaped(result.prompt.prefix(60).description))",
                """
                <p class="lead">The experts of each token, the highest score first; the prompt’s tokens are shaded.\
                \(cut.isEmpty ? "" : " Shown are \(cut.joined(separator: " and "))")</p>
                <div class="scroll"><table class="ways"><thead><tr><th scope="col">token</th>\(head)</tr></thead>
                <tbody>\(rows)</tbody></table></div>
                """)
        }
    }

    private var footer: String {
        """
        <footer><p>Bytes of weights are those that a token’s passes read: what every token needs, and the experts that \
        the pass has rows for. The run of all experts computes the others too and gives the same bits. Written by vkdyn.\
        </p></footer>
        """
    }

    private static let style = """
        .lead { color: var(--soft); font-size: 13px; max-width: 76ch; margin-bottom: 14px; }
        .load { display: block; width: 100%; min-width: 640px; height: auto; }
        .load rect { fill: var(--accent); stroke: var(--rule); stroke-width: 1; }
        .load text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
        .ways { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
        .ways th, .ways td { padding: 3px 14px 3px 0; text-align: left; border-bottom: 1px solid var(--rule);
          white-space: nowrap; }
        .ways thead th { font-weight: 600; border-bottom-color: var(--axis); }
        .ways tbody th { font-weight: 400; font-family: ui-monospace, Menlo, Consolas, monospace; padding-left: 6px; }
        .ways .prompt { background: var(--raised); }
        """
}
