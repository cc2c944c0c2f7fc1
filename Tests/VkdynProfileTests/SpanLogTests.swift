import Testing
import VkdynCore

@testable import VkdynProfile

@Suite struct SpanLogTests {
    @Test func spansNestInTheOrderOfTheirStarts() {
        var log = SpanLog()
        let load = log.begin(.load, "model", at: 1)
        let write = log.begin(.write, "weights", at: 2)
        log.end(write, at: 4)
        log.end(load, at: 8)
        let read = log.begin(.read, "state", at: 8)
        log.end(read, at: 9)
        #expect(
            log.spans == [
                Span(phase: .load, label: "model", start: 1, seconds: 7),
                Span(phase: .write, label: "weights", start: 2, seconds: 2),
                Span(phase: .read, label: "state", start: 8, seconds: 1),
            ])
        #expect(log.furtherSeconds.isEmpty)
    }

    @Test func anOuterSpanThatEndsEndsThoseInsideIt() {
        var log = SpanLog()
        let outer = log.begin(.plan, "", at: 0)
        let inner = log.begin(.record, "", at: 1)
        log.end(outer, at: 2)
        log.end(inner, at: 5)
        #expect(log.spans.map(\.seconds) == [2, 1])
    }

    @Test func spansBeyondTheLimitAreAddedUpWithoutThoseInsideThem() {
        var log = SpanLog(limit: 2)
        for start in [0.0, 8, 16] {
            let outer = log.begin(.load, "", at: start)
            let inner = log.begin(.write, "", at: start + 1)
            log.end(inner, at: start + 3)
            log.end(outer, at: start + 8)
        }
        #expect(log.spans.count == 2)
        #expect(log.furtherSeconds == [.load: 12, .write: 4])
    }

    @Test func whatAKeptSpanHoldsIsKeptToo() {
        var log = SpanLog(limit: 1)
        let outer = log.begin(.load, "", at: 0)
        let inner = log.begin(.write, "", at: 1)
        log.end(inner, at: 2)
        log.end(outer, at: 4)
        #expect(log.spans.count == 2 && log.furtherSeconds.isEmpty)
    }
}
