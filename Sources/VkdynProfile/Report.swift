import VkdynCore

extension Profile {
    /// The profile as one page: style, plots, data and script are inside, and nothing is fetched.
    ///
    /// Light or dark as the reader's system is. Whatever comes from outside (paths, commands, names of devices) is
    /// escaped.
    public func report() -> String {
        ReportPage(
            title: title, header: headline,
            sections: [
                .init("time", "Where the wall time goes", wallTimeBar), .init("roofline", "Roofline", rooflineSection),
                .init("timeline", "Timeline", timelineSection), .init("kernels", "Kernels", totalsTable(.kernel)),
                .init("layers", "Layers", totalsTable(.layer)), .init("phases", "Phases", totalsTable(.phase)),
                .init("plans", "Plans", plansTable), .init("gaps", "Gaps between dispatches", gapsTable),
            ], footer: footer, script: ReportScript.text
        ).text
    }

    // MARK: Headline

    private var headline: String {
        let attribution = attribution
        let device = wallSeconds > 0 ? attribution.deviceSeconds / wallSeconds : 0
        let dispatches = plans.reduce(0) { $0 + $1.steps.count * $1.runCount }
        let tiles = [
            ("Wall time", Figures.duration(wallSeconds), "the profile took \(Figures.duration(overheadSeconds)) of it"),
            ("Named", Figures.percent(attribution.namedShare), "of the wall time is in a dispatch or a host phase"),
            ("On the device", Figures.percent(device), "\(Figures.duration(attribution.deviceSeconds)) in dispatches"),
            (
                "Submits", Figures.count(counters.submits),
                "\(Figures.count(dispatches)) dispatches, \(Figures.count(counters.readbacks)) readbacks"
            ),
            ("Device memory", Figures.bytes(peakDeviceBytes), "at most at one time"),
        ]
        let facts = [
            ("Device", self.device.name), ("Driver", self.device.driver), ("Vulkan", self.device.apiVersion),
            ("Date", date), ("Timing", mode.explanation),
        ]
        let links = [
            ("time", "Wall time"), ("roofline", "Roofline"), ("timeline", "Timeline"), ("kernels", "Kernels"),
            ("layers", "Layers"), ("phases", "Phases"), ("plans", "Plans"), ("gaps", "Gaps"),
        ]
        return """
            <header>
            <p class="product">vkdyn profile</p>
            <h1>\(HTML.escaped(command.isEmpty ? "unnamed command" : command.joined(separator: " ")))</h1>
            <dl class="facts">
            \(HTML.join(facts) { "<div><dt>\($0.0)</dt><dd>\(HTML.escaped($0.1))</dd></div>" })
            </dl>
            <dl class="tiles">
            \(HTML.join(tiles) { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd><dd class=\"note\">\($0.2)</dd></div>" })
            </dl>
            <nav aria-label="Sections">\(HTML.join(links) { "<a href=\"#\($0.0)\">\($0.1)</a>" })</nav>
            </header>
            """
    }

    private var footer: String {
        """
        <footer>
        <p>A dispatch’s time runs from the end of all dispatches before it to its own end, so that the times of a plan \
        add up. Times over a profile are means of the stamped runs times all runs. Operations and bytes are those that \
        the kernels declare for a full row capacity: the least that a call can take. Written by vkdyn, format \
        \(formatVersion).</p>
        </footer>
        """
    }
}

extension Profile.Mode {
    var explanation: String {
        switch self {
        case .sampled: "each run stamps a rotating part of its dispatches"
        case .all: "every dispatch is stamped"
        case .isolated: "every dispatch is stamped and waits for those before it"
        case .none: "no dispatch is stamped: the device has no timestamps"
        }
    }
}
