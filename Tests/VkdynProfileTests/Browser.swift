import Foundation
import Testing

/// A headless browser without a network, if one is installed.
struct Browser {
    enum Scheme: Int, CaseIterable, Sendable {
        /// The numbers of Blink's setting.
        case dark = 0
        case light = 1
    }

    static let path: String? = {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let names = [
            "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
        ]
        return names.lazy.flatMap { name in folders.map { "\($0)/\(name)" } }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    /// What a browser made of a page, from a script that runs after the page's own.
    struct Findings: Decodable {
        let isReady: Bool
        /// Script errors, and what the content policy or the missing network refused.
        let problems: [String]
        let requests: Int
        let scrollWidth: Int
        let clientWidth: Int
        let background: String
        /// Of the texts' colours against the page.
        let contrasts: [String: Double]
        let overlappingLabels: [String]
        let labelCount: Int
        /// Different colours on the timeline's canvas.
        let canvasColors: Int
        let canvasColorsZoomedOut: Int
        let firstKernels: [String]
        let firstKernelsByName: [String]
        let shownRows: [Int]
        let tip: String
        let foreignElements: Int
    }

    static func findings(_ page: String, width: Int, scheme: Scheme = .light) throws -> Findings {
        let watch = """
            <head><script>window.problems = [];
            addEventListener('error', event => problems.push(String(event.message)));
            addEventListener('securitypolicyviolation', event => problems.push('policy: ' + event.violatedDirective));
            </script>
            """
        let probed = page.replacingOccurrences(of: "<head>", with: watch).replacingOccurrences(
            of: "</body>", with: "<script>\(probe)</script></body>")
        let dump = try run(probed, width: width, height: 900, scheme: scheme, arguments: ["--dump-dom"]).output
        let start = try #require(dump.range(of: "data-findings=\""))
        let text = dump[start.upperBound...].prefix { $0 != "\"" }
        let data = try #require(Data(base64Encoded: String(text)))
        return try JSONDecoder().decode(Findings.self, from: data)
    }

    /// - Returns: the picture, a PNG.
    static func screenshot(_ page: String, width: Int, height: Int, scheme: Scheme) throws -> Data {
        try run(page, width: width, height: height, scheme: scheme, arguments: ["--hide-scrollbars"], pictures: true)
            .picture
    }

    private static func run(
        _ page: String, width: Int, height: Int, scheme: Scheme, arguments: [String], pictures: Bool = false
    ) throws -> (output: String, picture: Data) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vkdyn-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("report.html")
        let output = folder.appendingPathComponent("output")
        let picture = folder.appendingPathComponent("picture.png")
        try Data(page.utf8).write(to: file)
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(path))
        process.arguments =
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                // No name resolves, and no proxy is asked.
                "--host-resolver-rules=MAP * ~NOTFOUND", "--no-proxy-server",
                "--user-data-dir=\(folder.path)/profile", "--window-size=\(width),\(height)",
                "--blink-settings=preferredColorScheme=\(scheme.rawValue)", "--virtual-time-budget=3000",
            ] + arguments + (pictures ? ["--screenshot=\(picture.path)"] : []) + [file.absoluteString]
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        // A browser that hangs fails the test instead of stopping it.
        let deadline = ContinuousClock().now + .seconds(900)
        while process.isRunning, ContinuousClock().now < deadline { Thread.sleep(forTimeInterval: 0.05) }
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return (
            try String(contentsOf: output, encoding: .utf8), pictures ? try Data(contentsOf: picture) : Data()
        )
    }

    private static let probe = #"""
        (() => {
          const contrast = (a, b) => {
            const luminance = color => {
              const canvas = document.createElement('canvas').getContext('2d');
              canvas.fillStyle = color;
              canvas.fillRect(0, 0, 1, 1);
              const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(value => value / 255)
                .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
              return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
            };
            const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
            return (high + 0.05) / (low + 0.05);
          };
          const style = getComputedStyle(document.documentElement);
          const color = name => style.getPropertyValue('--' + name).trim();
          const contrasts = {};
          for (const name of ['ink', 'soft', 'faint', 'link']) {
            contrasts[name] = contrast(color(name), color('surface'));
          }
          const texts = [...document.querySelectorAll('.roofline text.kernel, .roofline text.ceiling')]
            .filter(text => text.getBoundingClientRect().height < 30);
          const boxes = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
          const overlappingLabels = [];
          boxes.forEach(([name, a], index) => boxes.slice(index + 1).forEach(([other, b]) => {
            if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3) {
              overlappingLabels.push(`${name} / ${other}`);
            }
          }));
          const canvas = document.querySelector('.timeline canvas');
          const colors = () => {
            if (!canvas) return 0;
            const picture = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(picture.data.buffer)).size;
          };
          const canvasColors = colors();
          let tip = '';
          if (canvas) {
            const bounds = canvas.getBoundingClientRect();
            for (let x = 70; x < bounds.width && !tip; x += 3) {
              canvas.dispatchEvent(new PointerEvent('pointermove', {
                clientX: bounds.left + x, clientY: bounds.bottom - 20, bubbles: true }));
              tip = document.querySelector('.tip').hidden ? '' : document.querySelector('.tip').textContent;
            }
            document.querySelector('[data-view=all]').click();
          }
          const kernels = () =>
            [...document.querySelectorAll('#kernels tbody tr')].map(row => row.cells[0].textContent);
          const firstKernels = kernels();
          document.querySelector('#kernels th button')?.click();
          const findings = {
            isReady: document.documentElement.dataset.ready === 'yes', problems,
            requests: performance.getEntriesByType('resource').length,
            scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth,
            background: style.backgroundColor, contrasts, overlappingLabels,
            labelCount: document.querySelectorAll('.roofline text.kernel').length, canvasColors,
            canvasColorsZoomedOut: colors(), firstKernels, firstKernelsByName: kernels(),
            shownRows: [...document.querySelectorAll('.sortable tbody')].map(
              body => [...body.rows].filter(row => !row.hidden).length),
            tip, foreignElements: document.querySelectorAll('img, iframe, object, embed, link, b.injected').length,
          };
          const bytes = new TextEncoder().encode(JSON.stringify(findings));
          document.body.dataset.findings = btoa(String.fromCharCode(...bytes));
        })();
        """#
}
