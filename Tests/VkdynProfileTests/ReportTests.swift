import Foundation
import Testing
import VkdynCore
import VkdynSchedule

@testable import VkdynProfile

@Suite struct ReportTests {
    /// What a model's path, a command or a device could be called.
    private static let hostile =
        "</script><b class=\"injected\">x</b><img src=http://example.com/a.png onerror=alert(1)>'&<!--"

    private func hostileProfile() -> Profile {
        var profile = ProfileFixture(roundCount: 2, layerCount: 2).make()
        profile.command = ["run", Self.hostile]
        profile.date = Self.hostile
        profile.device = DeviceDescription(name: Self.hostile, driver: Self.hostile, apiVersion: Self.hostile)
        profile.ceilings?.date = Self.hostile
        for plan in profile.plans.indices {
            profile.plans[plan].label += Self.hostile
            for step in profile.plans[plan].steps.indices {
                profile.plans[plan].steps[step].label += Self.hostile
                profile.plans[plan].steps[step].kernel += Self.hostile
                profile.plans[plan].steps[step].variant += Self.hostile
                profile.plans[plan].steps[step].phase += Self.hostile
            }
        }
        for span in profile.spans.indices { profile.spans[span].label += Self.hostile }
        return profile
    }

    @Test func everythingFromOutsideIsEscaped() {
        let page = hostileProfile().report()
        #expect(!page.contains("<b class=\"injected\"") && !page.contains("<img") && !page.contains("<!--"))
        #expect(page.contains("&lt;img src=http://example.com/a.png onerror=alert(1)&gt;&#39;&amp;&lt;!--"))
        // The page's two scripts, and the data's.
        #expect(page.components(separatedBy: "</script>").count - 1 == 2)
        #expect(HTML.escaped("a\u{0}b\u{9F}c\td") == "a\u{FFFD}b\u{FFFD}c\td")
    }

    @Test func nothingIsFetched() {
        let page = ProfileFixture(roundCount: 2).make().report()
        for forbidden in ["http:", "https:", "src=", "@import", "url(", "<link", "fetch(", "XMLHttpRequest"] {
            #expect(!page.contains(forbidden), "\(forbidden)")
        }
        #expect(page.contains("default-src 'none'"))
    }

    @Test func theBarAddsUpToTheWallTime() {
        for mode in [Profile.Mode.all, .sampled] {
            let profile = ProfileFixture(mode: mode).make()
            let parts = profile.wallTimeParts
            let sum = parts.reduce(0) { $0 + $1.seconds }
            #expect(abs(sum - profile.wallSeconds) < 0.02 * profile.wallSeconds)
            let device = parts.filter { $0.kind == .device }
            #expect(device.map(\.name).sorted() == ["accept", "draft", "prefill", "verify"])
            #expect(parts.last?.kind == .unnamed)
            #expect(Set(device.map(\.color)).count == 4)
        }
    }

    @Test func rooflineLabelsCoverNothing() {
        for seed in 1...20 {
            let profile = ProfileFixture(seed: UInt64(seed), roundCount: 1, noise: 0.4).make()
            let plot = RooflinePlot(profile)
            let labels = plot.labels
            #expect(labels.count >= 4, "\(labels.count) of \(plot.points.count)")
            for (index, label) in labels.enumerated() {
                #expect(RooflinePlot.area.contains(label.box))
                for other in labels[(index + 1)...] { #expect(!label.box.overlaps(other.box)) }
            }
        }
    }

    @Test func kernelsWithoutArithmeticAreNamedBesideThePlot() {
        let profile = ProfileFixture(roundCount: 1).make()
        let plot = RooflinePlot(profile)
        #expect(plot.absent == ["kv_append"])
        #expect(plot.points.count == 7 && plot.points[0].seconds == plot.points.map(\.seconds).max())
        #expect(profile.report().contains("and so not drawn: kv_append."))
    }

    @Test func rowsAreThoseOfTheTotals() {
        let profile = ProfileFixture(roundCount: 2).make()
        for grouping in Grouping.allCases {
            let table = profile.totalsTable(grouping)
            #expect(table.components(separatedBy: "<tr>").count - 2 == profile.totals(by: grouping).count)
            for total in profile.totals(by: grouping) { #expect(table.contains("data-key=\"\(total.name)\"")) }
        }
    }

    @Test func aProfileWithNothingInItIsAPageToo() {
        let empty = Profile(
            command: [], date: "", device: DeviceDescription(name: "", driver: "", apiVersion: ""), mode: .none)
        #expect(empty.report().hasSuffix("</html>\n"))
        #expect(ProfileFixture(roundCount: 1, mode: .none).make().report().contains("No dispatch was timed."))
    }

    @Test func figuresReadAlike() {
        #expect(
            [1.234, 0.01234, 1.234e-4, 5e-9, 0, 250].map(Figures.duration) == [
                "1.23 s", "12.3 ms", "123 µs", "5.00 ns", "0.00 ns", "250 s",
            ])
        #expect(Figures.rate(21.3e9, "B/s") == "21.3 GB/s" && Figures.rate(1.12e11, "FLOP/s") == "112 GFLOP/s")
        #expect(Figures.count(1_234_567) == "1,234,567" && Figures.count(-12) == "−12" && Figures.count(999) == "999")
        #expect(Figures.bytes(1536) == "1.5 KiB" && Figures.bytes(7) == "7 B")
    }

    @Test func theCeilingIsTheOneThatTheWorkNears() {
        var ceilings = CeilingFigures(
            readBytesPerSecond: 10e9, copyBytesPerSecond: 1, dispatchSeconds: 0, barrierSeconds: 0, submitSeconds: 0,
            hostToDeviceBytesPerSecond: 1, deviceToHostBytesPerSecond: 1, date: "")
        #expect(ceilings.share(of: "k", operations: 5, bytes: 0, seconds: 1) == nil)
        ceilings.multiplyThenAddOperationsPerSecond = 100e9
        ceilings.int8OperationsPerSecond = 400e9
        func share(_ kernel: String, _ operations: Int, _ bytes: Int) -> CeilingShare? {
            ceilings.share(of: kernel, operations: operations, bytes: bytes, seconds: 1)
        }
        #expect(share("k", 50_000_000_000, 1_000_000_000) == CeilingShare(value: 0.5, bound: .arithmetic))
        #expect(share("int8_matmul", 50_000_000_000, 8_000_000_000) == CeilingShare(value: 0.8, bound: .memory))
        #expect(share("int8_matmul", 100_000_000_000, 0)?.value == 0.25)
        #expect(share("k", 0, 0) == nil)
    }

    // MARK: In a browser

    @Test(.enabled(if: Browser.path != nil, "no browser is installed"), arguments: [1280, 1440, 800])
    func aBrowserWithoutANetworkShowsThePage(width: Int) throws {
        let profile = ProfileFixture(mode: width == 1440 ? .sampled : .all).make()
        let findings = try Browser.findings(profile.report(), width: width)
        #expect(findings.isReady && findings.problems == [] && findings.requests == 0)
        #expect(findings.clientWidth <= width && findings.clientWidth > width - 40)
        #expect(findings.scrollWidth <= findings.clientWidth)
        #expect(findings.overlappingLabels == [] && findings.labelCount >= 5)
        // Phases, host, tracks and texts, and antialiasing.
        #expect(findings.canvasColors > 12 && findings.canvasColorsZoomedOut > 12)
        #expect(findings.tip.contains("GB/s") && findings.tip.contains("run "))
        let totals = profile.totals(by: .kernel).map(\.name)
        #expect(findings.firstKernels == totals && findings.firstKernelsByName == totals.sorted())
        #expect(findings.shownRows.allSatisfy { (1...18).contains($0) })
    }

    @Test(.enabled(if: Browser.path != nil, "no browser is installed"), arguments: Browser.Scheme.allCases)
    func bothSchemesAreReadable(scheme: Browser.Scheme) throws {
        let findings = try Browser.findings(ProfileFixture(roundCount: 3).make().report(), width: 1280, scheme: scheme)
        #expect(findings.background == (scheme == .dark ? "rgb(26, 26, 25)" : "rgb(252, 252, 251)"))
        // WCAG's AA for text.
        for (name, contrast) in findings.contrasts { #expect(contrast >= 4.5, "\(name): \(contrast)") }
        #expect(findings.problems == [])
    }

    @Test(.enabled(if: Browser.path != nil, "no browser is installed"))
    func namesFromOutsideDoNothingInABrowser() throws {
        let findings = try Browser.findings(hostileProfile().report(), width: 1280)
        #expect(findings.isReady && findings.problems == [] && findings.requests == 0)
        #expect(findings.foreignElements == 0)
        #expect(findings.scrollWidth <= findings.clientWidth)
        #expect(findings.tip.contains(Self.hostile))
    }

    @Test(.enabled(if: Browser.path != nil, "no browser is installed"), arguments: Browser.Scheme.allCases)
    func aPictureOfThePageIsNotBlank(scheme: Browser.Scheme) throws {
        let page = ProfileFixture(roundCount: 3).make().report()
        let picture = try Browser.screenshot(page, width: 1366, height: 768, scheme: scheme)
        #expect(picture.starts(with: [0x89, 0x50, 0x4E, 0x47]))
        // Width and height in the header; a blank picture of this size takes some 5 kB.
        #expect(picture[16..<24].elementsEqual([0, 0, 5, 0x56, 0, 0, 3, 0]))
        #expect(picture.count > 30_000, "\(picture.count) bytes")
    }
}
