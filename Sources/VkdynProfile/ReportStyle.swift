/// The page's style sheet. Colours are custom properties, given for both schemes; the phases' hues are told apart with
/// colour-blind eyes in the order in which they are used.
enum ReportStyle {
    static let text = #"""
        :root {
          --surface: #fcfcfb; --raised: #f3f3f0; --ink: #161614; --soft: #52514e; --faint: #73716b;
          --rule: #e1e0d9; --axis: #b9b7ae; --accent: #2a78d6; --link: #2268bd;
          --phase0: #2a78d6; --phase1: #1baf7a; --phase2: #eda100; --phase3: #4a3aa7;
          --phase4: #e34948; --phase5: #008300; --phase6: #e87ba4; --phase7: #eb6834; --other: #8b8a83;
          --host0: #6d7683; --host1: #97a0ac; --host2: #4f5763; --host3: #b9c0c9;
          --waiting: #dfe3e8; --unstamped: #dcdbd3; --unnamed: #d9d7cf; --track: #f3f3f0;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --surface: #1a1a19; --raised: #242422; --ink: #f4f4f1; --soft: #c3c2b7; --faint: #979589;
            --rule: #33332f; --axis: #55544d; --accent: #3987e5; --link: #6aa8ef;
            --phase0: #3987e5; --phase1: #199e70; --phase2: #c98500; --phase3: #9085e9;
            --phase4: #e66767; --phase5: #3a9a3a; --phase6: #d55181; --phase7: #d95926; --other: #8b8a83;
            --host0: #8a94a2; --host1: #626b78; --host2: #aab3bf; --host3: #4a525d;
            --waiting: #343a42; --unstamped: #3b3b37; --unnamed: #45443e; --track: #232321;
          }
        }
        * { box-sizing: border-box; }
        html { background: var(--surface); color: var(--ink); }
        body { margin: 0; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
        main { max-width: 1240px; margin: 0 auto; padding: 40px 32px 64px; }
        h1, h2, h3, p, dl, dd, ul, figure { margin: 0; padding: 0; }
        ul { list-style: none; }
        h1 { font: 600 26px/1.3 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
          letter-spacing: -0.02em; overflow-wrap: anywhere; }
        h2 { font-size: 19px; line-height: 1.3; font-weight: 600; margin-bottom: 16px; }
        h3 { font-size: 13px; font-weight: 600; }
        section { margin-top: 56px; scroll-margin-top: 16px; }
        .product { color: var(--faint); font-size: 13px; font-weight: 600; margin-bottom: 4px; }
        .facts { display: flex; flex-wrap: wrap; gap: 2px 28px; margin-top: 12px; font-size: 13px; }
        .facts div { display: flex; gap: 8px; min-width: 0; }
        .facts dt { color: var(--faint); }
        .facts dd { overflow-wrap: anywhere; }
        .tiles { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); margin-top: 28px;
          border-top: 1px solid var(--rule); border-bottom: 1px solid var(--rule); }
        .tiles div { padding: 16px 16px 14px; border-left: 1px solid var(--rule); min-width: 0; }
        .tiles div:first-child { padding-left: 0; border-left: 0; }
        .tiles dt { font-size: 13px; color: var(--soft); }
        .tiles dd { font-size: 26px; line-height: 1.25; font-weight: 600; letter-spacing: -0.01em; }
        .tiles dd.note { font-size: 12px; line-height: 1.4; font-weight: 400; letter-spacing: 0; margin-top: 4px; }
        nav { display: flex; flex-wrap: wrap; gap: 4px 20px; margin-top: 16px; font-size: 13px; }
        a { color: var(--link); text-decoration: none; }
        a:hover { text-decoration: underline; }
        .note, figcaption, footer, .empty { color: var(--faint); font-size: 13px; }
        .note, figcaption { margin-top: 10px; max-width: 76em; }
        footer { margin-top: 64px; padding-top: 16px; border-top: 1px solid var(--rule); }
        footer p { max-width: 76em; }
        .unit, .share, .none { color: var(--faint); font-weight: 400; }

        .parts { display: flex; height: 40px; gap: 2px; }
        .parts span { background: var(--c); min-width: 1px; flex: none; flex-shrink: 1; }
        .parts span:first-child { border-radius: 4px 0 0 4px; }
        .parts span:last-child { border-radius: 0 4px 4px 0; }
        .parts .unnamed, .swatch.unnamed { background: repeating-linear-gradient(135deg, var(--unnamed) 0 4px,
          transparent 4px 7px), var(--track); }
        .labels { display: flex; gap: 2px; margin-top: 4px; font-size: 12px; color: var(--soft); height: 18px; }
        .labels span { flex: none; flex-shrink: 1; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
        .legend .note { margin-top: 0; }
        .legend { display: grid; grid-template-columns: 1.1fr 1.4fr 0.9fr; gap: 12px 48px; margin-top: 20px; }
        .legend h3, .legend li { display: flex; gap: 8px; align-items: baseline; font-size: 13px;
          font-variant-numeric: tabular-nums; }
        .legend h3 { border-bottom: 1px solid var(--rule); padding-bottom: 4px; margin-bottom: 6px; }
        .legend h3 .share, .legend li .share { min-width: 4em; text-align: right; }
        .legend .name { flex: 1; min-width: 0; overflow-wrap: anywhere; }
        .swatch { display: inline-block; width: 10px; height: 10px; border-radius: 2px; background: var(--c);
          flex: none; }
        td .swatch { margin-right: 8px; }
        .swatch.host:not([style]) { background: var(--host0); }
        .swatch.waiting { background: var(--waiting); }
        .swatch.unstamped { background: var(--unstamped); }

        .columns { display: grid; grid-template-columns: minmax(0, 2.3fr) minmax(0, 1fr); gap: 40px; }
        .columns:not(:has(> :nth-child(2))) { grid-template-columns: minmax(0, 1fr); }
        .roofline { display: block; width: 100%; height: auto; }
        .roofline text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
        .roofline .tick { fill: var(--faint); }
        .roofline .grid { stroke: var(--rule); stroke-width: 1; }
        .roofline line.ceiling { stroke: var(--soft); stroke-width: 1.5; }
        .roofline line.copy { stroke-dasharray: 5 4; stroke-width: 1; }
        .roofline line.leader { stroke: var(--axis); stroke-width: 1; }
        .roofline circle { fill: var(--accent); fill-opacity: 0.62; stroke: var(--surface); stroke-width: 1.5; }
        .roofline circle:hover { fill-opacity: 1; }
        .roofline text.kernel, .roofline text.ceiling { paint-order: stroke; stroke: var(--surface); stroke-width: 4px;
          stroke-linejoin: round; }
        .roofline text.kernel { fill: var(--ink); }
        .ceilings table { width: 100%; border-collapse: collapse; margin-top: 8px; font-size: 13px; }
        .ceilings th { font-weight: 400; text-align: left; color: var(--soft); }
        .ceilings td { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
        .ceilings tr > * { padding: 5px 0; border-top: 1px solid var(--rule); }

        .toolbar { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 8px 24px; margin-bottom: 10px; }
        .keys { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 13px; color: var(--soft); }
        .keys li { display: flex; gap: 6px; align-items: center; }
        .buttons { display: flex; gap: 6px; }
        .buttons[hidden] { display: none; }
        .buttons button, .more { font: inherit; font-size: 13px; color: var(--ink); background: var(--raised);
          border: 1px solid var(--rule); border-radius: 5px; padding: 2px 10px; cursor: pointer; }
        .buttons button:hover, .more:hover { border-color: var(--axis); }
        .more { margin-top: 10px; }
        .timeline { position: relative; }
        .timeline canvas { display: block; width: 100%; cursor: grab; touch-action: pan-y; border-radius: 4px; }
        .timeline canvas:active { cursor: grabbing; }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
        .tip { position: absolute; z-index: 1; max-width: 380px; padding: 8px 10px; pointer-events: none;
          font-size: 12px; line-height: 1.45; background: var(--surface); border: 1px solid var(--axis);
          border-radius: 5px;
          box-shadow: 0 2px 10px rgb(0 0 0 / 0.16); overflow-wrap: anywhere; }
        .tip b { display: block; font-weight: 600; }
        .tip span { display: block; color: var(--soft); font-variant-numeric: tabular-nums; }

        .scroll { overflow-x: auto; }
        .sortable { width: 100%; border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
        .sortable th, .sortable td { padding: 6px 0 6px 18px; text-align: right; vertical-align: baseline;
          border-bottom: 1px solid var(--rule); white-space: nowrap; }
        .sortable .text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
        .sortable th:first-child, .sortable td:first-child { padding-left: 0; }
        .sortable th { font-weight: 600; vertical-align: bottom; padding-top: 0; border-bottom-color: var(--axis); }
        .sortable th button { all: unset; cursor: pointer; }
        .sortable th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
        .sortable th .unit { display: block; font-size: 12px; }
        .sortable th[aria-sort=descending] button::after { content: " ↓"; }
        .sortable th[aria-sort=ascending] button::after { content: " ↑"; }
        .sortable th:has(.unit) button::after { content: none; }
        .sortable th[aria-sort=descending] .unit::after { content: " ↓"; color: var(--ink); }
        .sortable th[aria-sort=ascending] .unit::after { content: " ↑"; color: var(--ink); }
        .sortable tbody tr:hover { background: var(--raised); }
        .meter { display: inline-block; width: 72px; height: 8px; margin-right: 10px; background: var(--track);
          border-radius: 2px; overflow: hidden; }
        .meter span { display: block; height: 100%; background: var(--accent); }
        .percent { display: inline-block; min-width: 3.4em; }
        .bound { color: var(--faint); }
        .did { white-space: nowrap; }

        @media (max-width: 1020px) {
          main { padding: 28px 20px 48px; }
          .columns { grid-template-columns: minmax(0, 1fr); }
          .legend { grid-template-columns: 1fr 1.3fr; column-gap: 32px; }
          .legend > div:nth-child(2) { grid-row: span 2; }
          .tiles { grid-template-columns: repeat(3, minmax(0, 1fr)); }
          .tiles div:nth-child(4) { padding-left: 0; border-left: 0; }
          .sortable th, .sortable td { padding-left: 12px; }
          .meter { display: none; }
        }
        @media print { nav, .buttons, .more { display: none; } }
        """#
}
