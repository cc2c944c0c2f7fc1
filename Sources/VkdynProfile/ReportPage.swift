/// A page with style, pictures, data and script inside: it fetches nothing, and is light or dark as the reader's system
/// is.
package struct ReportPage {
    package struct Section {
        /// What links name.
        package let id: String
        package let heading: String
        package let content: String

        package init(_ id: String, _ heading: String, _ content: String) {
            self.id = id
            self.heading = heading
            self.content = content
        }
    }

    /// Plain text; all else is HTML, in which whatever comes from outside was escaped.
    package var title: String
    package var header: String
    package var sections: [Section]
    package var footer: String
    /// Beside the style of all pages.
    package var style: String
    package var script: String

    package init(
        title: String, header: String, sections: [Section], footer: String, style: String = "", script: String = ""
    ) {
        self.title = title
        self.header = header
        self.sections = sections
        self.footer = footer
        self.style = style
        self.script = script
    }

    package var text: String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta http-equiv="Content-Security-Policy" content="\(Self.contentPolicy)">
        <title>\(HTML.escaped(title))</title>
        <style>
        \(ReportStyle.text)
        \(style)
        </style>
        </head>
        <body>
        <main>
        \(header)
        \(HTML.join(sections) { "<section id=\"\($0.id)\"><h2>\($0.heading)</h2>\n\($0.content)\n</section>" })
        \(footer)
        </main>
        <script>
        \(script)
        </script>
        </body>
        </html>

        """
    }

    /// Nothing from anywhere but the page itself, so that no slip can make it depend on a network.
    private static let contentPolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
}

/// Text that becomes part of a page.
package enum HTML {
    /// For text and for quoted attributes.
    package static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            // HTML has no place for other control characters.
            case "\0"..."\u{8}", "\u{B}"..."\u{1F}", "\u{7F}"..."\u{9F}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    package static func join<Items: Sequence>(_ items: Items, _ text: (Items.Element) -> String) -> String {
        items.map(text).joined(separator: "\n")
    }
}
