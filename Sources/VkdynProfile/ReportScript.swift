/// The page's script: sorting of tables, and the timeline. Everything that comes from the profile goes into the
/// document as text, never as markup.
enum ReportScript {
    static let text =
        tables + timeline + #"""
            document.documentElement.dataset.ready = 'yes';
            """#

    private static let tables = #"""
        'use strict';
        for (const table of document.querySelectorAll('table.sortable')) {
          const body = table.tBodies[0];
          const heads = [...table.tHead.rows[0].cells];
          const limit = Number(table.dataset.limit);
          let isWhole = body.rows.length <= limit + 3;
          const restrict = () => [...body.rows].forEach((row, index) => { row.hidden = !isWhole && index >= limit; });
          heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
            const isText = head.classList.contains('text');
            const before = head.getAttribute('aria-sort');
            const order = before === 'none' ? (isText ? 'ascending' : 'descending')
              : before === 'ascending' ? 'descending' : 'ascending';
            heads.forEach(other => other.setAttribute('aria-sort', other === head ? order : 'none'));
            const key = row => row.cells[column].dataset.key;
            const compare = isText ? (a, b) => key(a).localeCompare(key(b), 'en', { numeric: true })
              : (a, b) => Number(key(a)) - Number(key(b));
            const rows = [...body.rows].sort((a, b) => order === 'ascending' ? compare(a, b) : compare(b, a));
            body.append(...rows);
            restrict();
          }));
          if (!isWhole) {
            const more = document.createElement('button');
            more.type = 'button';
            more.className = 'more';
            const name = () => { more.textContent = isWhole ? 'Show fewer' : `Show all ${body.rows.length}`; };
            more.addEventListener('click', () => { isWhole = !isWhole; restrict(); name(); });
            name();
            table.parentElement.after(more);
          }
          restrict();
        }

        """#

    private static let timeline = timelineView + timelineDrawing + timelineInput

    /// What is shown and where: `view` in microseconds, all else in pixels.
    private static let timelineView = #"""
        const source = document.getElementById('timeline-data');
        if (source) {
          const data = JSON.parse(source.textContent);
          const canvas = document.querySelector('.timeline canvas');
          const tip = document.querySelector('.timeline .tip');
          const context = canvas.getContext('2d');
          const events = data.events.map(([start, length, plan, step, run]) =>
            ({ start, end: start + length, plan, run, step: data.steps[plan][step] }));
          const spans = data.spans.map(([start, length, text, depth]) =>
            ({ start, end: start + length, text: data.texts[text], depth }));
          const runs = data.runs.map(([start, length, plan, run]) => ({ start, end: start + length, plan, run }));
          const last = Math.max(data.wall, 1, ...[events, spans, runs].map(list =>
            list.reduce((most, item) => Math.max(most, item.end), 0)));
          const depth = Math.min(4, 1 + spans.reduce((most, span) => Math.max(most, span.depth), 0));
          const gutter = 58, strip = 26, row = 20;
          const top = { axis: strip + 12, host: strip + 36 };
          top.plans = top.host + depth * row + 14;
          top.device = top.plans + row + 4;
          const deviceHeight = 40, height = top.device + deviceHeight + 8;
          let width = 0, colors = {}, hovered = null;
          const view = { from: 0, to: last };

          const scale = () => (width - gutter) / (view.to - view.from);
          const x = time => gutter + (time - view.from) * scale();
          const time = x => view.from + (x - gutter) / scale();
          const show = (from, to) => {
            const length = Math.min(last, Math.max(to - from, 0.5));
            view.from = Math.min(Math.max(0, from), last - length);
            view.to = view.from + length;
            draw();
          };
          const zoom = (factor, center) => {
            const around = center ?? (view.from + view.to) / 2;
            show(around - (around - view.from) * factor, around + (view.to - around) * factor);
          };
          // The first runs with what surrounds them: where one event still has some pixels.
          const showStart = () => {
            const first = runs.slice(0, 3);
            if (!first.length) return show(0, last);
            const from = first[0].start, to = Math.max(...first.map(run => run.end));
            show(from - 0.06 * (to - from), to + 0.06 * (to - from));
          };
          // Lists are in the order of starts, and so is what may be visible, but for long ones that began earlier.
          const visible = list => {
            let low = 0, high = list.length;
            while (low < high) {
              const middle = (low + high) >> 1;
              if (list[middle].start < view.to) low = middle + 1; else high = middle;
            }
            return list.slice(0, low).filter(item => item.end > view.from);
          };
          const readable = (microseconds, digits = 3) => {
            const units = [[1e6, 's'], [1e3, 'ms'], [1, 'µs'], [1e-3, 'ns']];
            const [factor, unit] = units.find(([factor]) => microseconds >= factor) ?? units[3];
            const value = microseconds / factor;
            return `${value.toFixed(Math.max(0, digits - (value >= 100 ? 3 : value >= 10 ? 2 : 1)))} ${unit}`;
          };

        """#

    private static let timelineDrawing = #"""
          const readColors = () => {
            const style = getComputedStyle(document.documentElement);
            const color = name => style.getPropertyValue('--' + name).trim();
            colors = { phases: data.phases.map((_, index) => color(index < 8 ? 'phase' + index : 'other')) };
            for (const name of ['surface', 'raised', 'ink', 'soft', 'faint', 'rule', 'axis', 'accent', 'host0', 'host1',
              'waiting', 'unstamped', 'track', 'other']) colors[name] = color(name);
          };
          // Dark on light hues and light on dark ones; the style sheet writes colours as #rrggbb.
          const inkOn = color => {
            const [red, green, blue] = [1, 3, 5].map(place => parseInt(color.slice(place, place + 2), 16));
            return 0.299 * red + 0.587 * green + 0.114 * blue > 110 ? '#161614' : '#ffffff';
          };
          const text = (string, x, y, color, align = 'left') => {
            context.fillStyle = color;
            context.textAlign = align;
            context.fillText(string, x, y);
          };
          // Exact widths: where events are narrower than a pixel its shade says how much of it they fill.
          const box = (item, y, height, color, minimum = 0) => {
            const left = Math.max(gutter, x(item.start)), right = Math.min(width, x(item.end));
            context.fillStyle = color;
            context.fillRect(left, y, Math.max(minimum, right - left), height);
            return [left, right];
          };
          const isWaiting = span => span.text === 'wait' || span.text.startsWith('wait ');
          const caption = (string, [left, right], y, color) => {
            if (right - left < 28) return;
            context.save();
            context.beginPath();
            context.rect(left, y - 14, right - left - 3, 20);
            context.clip();
            text(string, left + 5, y, color);
            context.restore();
          };
          const drawAxis = () => {
            const least = 96 / scale();
            const power = 10 ** Math.floor(Math.log10(least));
            const step = [1, 2, 5, 10].map(factor => factor * power).find(step => step >= least);
            const unit = step >= 1e5 ? [1e6, 's'] : view.to >= 1e3 ? [1e3, 'ms'] : [1, 'µs'];
            const digits = Math.max(0, -Math.floor(Math.log10(step / unit[0]) + 1e-9));
            for (let tick = Math.ceil(view.from / step) * step; tick <= view.to; tick += step) {
              const at = Math.round(x(tick)) + 0.5;
              context.fillStyle = colors.rule;
              context.fillRect(at - 0.5, top.axis + 16, 1, height - top.axis - 24);
              const label = `${(tick / unit[0]).toFixed(digits)} ${unit[1]}`;
              if (at + 4 + context.measureText(label).width < width) text(label, at + 4, top.axis + 12, colors.faint);
            }
          };
          const drawStrip = () => {
            const full = (width - gutter) / last;
            context.fillStyle = colors.track;
            context.fillRect(gutter, 0, width - gutter, strip);
            for (const span of spans) {
              if (span.depth > 0) continue;
              context.fillStyle = isWaiting(span) ? colors.waiting : colors.host1;
              context.fillRect(gutter + span.start * full, 4, (span.end - span.start) * full, 8);
            }
            for (const event of events) {
              context.fillStyle = colors.phases[event.step.phase] ?? colors.other;
              context.fillRect(gutter + event.start * full, 14, (event.end - event.start) * full, 8);
            }
            const left = gutter + view.from * full;
            context.strokeStyle = colors.accent;
            context.lineWidth = 1.5;
            context.strokeRect(left + 0.75, 0.75, Math.max(3, (view.to - view.from) * full - 1.5), strip - 1.5);
          };
          const draw = () => {
            context.clearRect(0, 0, width, height);
            context.font = '12px ' + getComputedStyle(document.body).fontFamily;
            drawAxis();
            for (const span of visible(spans)) {
              const y = top.host + Math.min(span.depth, depth - 1) * row;
              const waits = isWaiting(span);
              const color = waits ? colors.waiting : span.depth % 2 ? colors.host1 : colors.host0;
              const edges = box(span, y, row - 2, color, 0.5);
              caption(span.text, edges, y + 13, waits ? colors.soft : colors.surface);
            }
            context.fillStyle = colors.track;
            context.fillRect(gutter, top.device, width - gutter, deviceHeight);
            for (const run of visible(runs)) {
              const edges = box(run, top.plans, row - 2, colors.rule);
              context.fillStyle = colors.axis;
              context.fillRect(edges[0], top.plans, 1, row - 2);
              caption(`${data.plans[run.plan]} ${run.run}`, edges, top.plans + 13, colors.soft);
              box(run, top.device, deviceHeight, colors.unstamped);
            }
            const shown = visible(events);
            shown.forEach((event, index) => {
              const color = colors.phases[event.step.phase] ?? colors.other;
              const edges = box(event, top.device, deviceHeight, color);
              if (edges[1] - edges[0] > 3) {
                context.fillStyle = colors.surface;
                context.fillRect(edges[1] - 0.75, top.device, 0.75, deviceHeight);
              }
              if (edges[1] - edges[0] > 48) caption(event.step.kernel, edges, top.device + 24, inkOn(color));
              const next = shown[index + 1];
              if (!next || next.plan === event.plan && next.run === event.run) return;
              const gap = (next.start - event.end) * scale();
              if (gap > 52) text(readable(next.start - event.end), x((event.end + next.start) / 2), top.device + 24,
                colors.faint, 'center');
            });
            if (hovered && hovered.end > view.from && hovered.start < view.to) {
              const left = Math.max(gutter, x(hovered.start)), right = Math.min(width, x(hovered.end));
              context.strokeStyle = colors.ink;
              context.lineWidth = 1.5;
              context.strokeRect(left, hovered.y, Math.max(1, right - left), hovered.height);
            }
            drawStrip();
            for (const [name, y] of [['all', 17], ['host', top.host + 13], ['plan', top.plans + 13],
              ['device', top.device + 24]]) text(name, 0, y, colors.faint);
          };
          const resize = () => {
            width = canvas.clientWidth;
            const ratio = window.devicePixelRatio || 1;
            canvas.width = Math.round(width * ratio);
            canvas.height = Math.round(height * ratio);
            canvas.style.height = height + 'px';
            context.setTransform(ratio, 0, 0, ratio, 0, 0);
            draw();
          };

        """#

    private static let timelineInput = #"""
          const itemAt = (px, py) => {
            if (px < gutter) return null;
            const at = time(px), slack = 1.5 / scale();
            const nearest = list => visible(list).filter(item => item.start - slack <= at && at <= item.end + slack)
              .sort((a, b) => (a.end - a.start) - (b.end - b.start))[0];
            if (py >= top.device && py < top.device + deviceHeight) {
              const event = nearest(events);
              return event && { ...event, y: top.device, height: deviceHeight, kind: 'event' };
            }
            if (py >= top.plans && py < top.plans + row) {
              const run = nearest(runs);
              return run && { ...run, y: top.plans, height: row - 2, kind: 'run' };
            }
            const level = Math.floor((py - top.host) / row);
            if (level < 0 || level >= depth) return null;
            const span = nearest(spans.filter(span => Math.min(span.depth, depth - 1) === level));
            return span && { ...span, y: top.host + level * row, height: row - 2, kind: 'span' };
          };
          const describe = item => {
            const length = item.end - item.start;
            const when = `${readable(length)} at ${readable(item.start, 6)}`;
            if (item.kind === 'span') return [item.text, when];
            if (item.kind === 'run') return [`${data.plans[item.plan]}, run ${item.run}`, when];
            const { label, kernel, variant, bytes, operations } = item.step;
            const lines = [label, when, `${kernel}, ${variant}`, `${data.plans[item.plan]}, run ${item.run}`];
            const rate = count => (count / length / 1e3).toFixed(2);
            if (length > 0) lines.push(`${rate(bytes)} GB/s, ${rate(operations)} GFLOP/s`);
            return lines;
          };
          const showTip = (item, px, py) => {
            tip.hidden = !item;
            if (!item) return;
            tip.replaceChildren(...describe(item).map((line, index) => {
              const element = document.createElement(index ? 'span' : 'b');
              element.textContent = line;
              return element;
            }));
            tip.style.left = Math.max(0, Math.min(px + 12, width - tip.offsetWidth)) + 'px';
            tip.style.top = py + 16 + 'px';
          };
          let drag = null;
          canvas.addEventListener('pointerdown', event => {
            canvas.setPointerCapture(event.pointerId);
            const isStrip = event.offsetY < strip;
            drag = { x: event.offsetX, from: view.from, isStrip };
            if (isStrip) {
              const length = view.to - view.from, center = (event.offsetX - gutter) / (width - gutter) * last;
              if (center < view.from || center > view.to) show(center - length / 2, center + length / 2);
              drag.from = view.from;
            }
          });
          canvas.addEventListener('pointermove', event => {
            if (!drag) {
              hovered = itemAt(event.offsetX, event.offsetY);
              draw();
              return showTip(hovered, event.offsetX, event.offsetY);
            }
            showTip(null);
            const moved = event.offsetX - drag.x;
            const from = drag.isStrip ? drag.from + moved / (width - gutter) * last : drag.from - moved / scale();
            show(from, from + view.to - view.from);
          });
          for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, () => { drag = null; });
          canvas.addEventListener('pointerleave', () => { hovered = null; showTip(null); draw(); });
          canvas.addEventListener('wheel', event => {
            const length = view.to - view.from;
            if (event.ctrlKey || event.metaKey) {
              zoom(Math.exp(event.deltaY * 0.003), time(Math.max(gutter, event.offsetX)));
            } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
              const moved = (event.deltaX || event.deltaY) / scale();
              show(view.from + moved, view.from + moved + length);
            } else return;
            event.preventDefault();
          }, { passive: false });
          const moves = {
            '+': () => zoom(0.6), '=': () => zoom(0.6), '-': () => zoom(1 / 0.6), '0': () => show(0, last),
            ArrowLeft: () => show(view.from - 0.2 * (view.to - view.from), view.to - 0.2 * (view.to - view.from)),
            ArrowRight: () => show(view.from + 0.2 * (view.to - view.from), view.to + 0.2 * (view.to - view.from)),
          };
          canvas.addEventListener('keydown', event => {
            if (event.ctrlKey || event.metaKey || event.altKey || !moves[event.key]) return;
            event.preventDefault();
            moves[event.key]();
          });
          const views = { in: () => zoom(0.6), out: () => zoom(1 / 0.6), start: showStart, all: () => show(0, last) };
          for (const button of document.querySelectorAll('[data-view]')) {
            button.addEventListener('click', views[button.dataset.view]);
          }
          document.querySelector('.buttons').hidden = false;
          matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { readColors(); draw(); });
          addEventListener('resize', resize);
          readColors();
          resize();
          showStart();
        }

        """#
}
