/// The page's only style: light and dark by the reader's setting, light on paper. Colours after Okabe and Ito,
/// darkened or lightened to at least 3 : 1 against the ground (4.5 : 1 for text).
enum PageStyle {
  private static let light = """
    --ground: #ffffff; --ink: #1b1d1f; --muted: #5a6066; --grid: #e4e6e8; --panel: #f5f6f7; --warn: #fff3e0;
    --best: #0072b2; --own: #008a65; --old: #7b8187; --stale: #7b8187; --union: #1b1d1f;
    --first: #9b3f86; --second: #c95000;
    """

  private static let dark = """
    --ground: #14171a; --ink: #eceef0; --muted: #a6adb4; --grid: #2c3237; --panel: #1d2125; --warn: #3a2c18;
    --best: #56b4e9; --own: #2fc79c; --old: #8d959c; --stale: #8d959c; --union: #eceef0;
    --first: #dd92c6; --second: #ff9a52;
    """

  static let css = """
    :root { color-scheme: light dark; \(light) }
    @media (prefers-color-scheme: dark) {
      :root { \(dark) }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
      Roboto, "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; overflow-wrap: break-word; }
    main { max-width: 1020px; margin: 0 auto; padding: 24px 20px 48px; }
    h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 12px; } h2 { font-size: 1.2rem; margin: 36px 0 10px; }
    h3 { font-size: 0.92rem; margin: 0 0 4px; }
    .headline { font-size: 1.15rem; margin: 0 0 8px; padding: 14px 18px; background: var(--panel);
      border-left: 4px solid var(--best); border-radius: 0 6px 6px 0; }
    .note, figcaption, footer, .legend { color: var(--muted); font-size: 0.88rem; } .note { max-width: 46rem; }
    .warning { padding: 10px 14px; background: var(--warn); border-radius: 6px; }
    .pair, .triple, .quadruple { display: grid; gap: 20px 24px; }
    .pair { grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); }
    .triple { grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); }
    .quadruple { grid-template-columns: repeat(auto-fit, minmax(min(100%, 215px), 1fr)); }
    figure { margin: 0; min-width: 0; } .triple figure, .quadruple figure { max-width: 420px; }
    .quadruple figure { max-width: 300px; }
    svg { display: block; width: 100%; height: auto; } .pair svg { max-width: 500px; } .wide svg { max-width: 540px; }
    .legend .key { margin-right: 14px; white-space: nowrap; display: inline-block; } .legend { margin: 8px 0 0; }
    b.best { color: var(--best); } b.own { color: var(--own); } b.old { color: var(--old); }
    b.first { color: var(--first); } b.second { color: var(--second); }
    .scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 0.88rem;
      font-variant-numeric: tabular-nums; }
    th, td { padding: 6px 8px; border-bottom: 1px solid var(--grid); text-align: right; vertical-align: top; }
    td { white-space: nowrap; } thead th { vertical-align: bottom; border-bottom: 2px solid var(--muted); }
    th:first-child, .failure { text-align: left; } tbody th { min-width: 9rem; max-width: 17rem; font-weight: 600;
      position: sticky; left: 0; background: var(--ground); } .row-best th { background: var(--panel); }
    td.failure { white-space: normal; color: var(--second); }
    small { display: block; font-weight: 400; color: var(--muted); font-size: 0.78rem; line-height: 1.35; }
    .row-best { background: var(--panel); } .row-best th { color: var(--best); }
    .row-best th small { color: var(--muted); }
    dl { margin: 0; max-width: 46rem; } dt { font-weight: 600; margin-top: 10px; } dd { margin: 0; }
    footer { margin-top: 40px; padding-top: 12px; border-top: 1px solid var(--grid); }
    footer dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; max-width: none; }
    footer dt { margin: 0; font-weight: 400; } footer dd { color: var(--ink); overflow-wrap: anywhere; }
    svg text { font-size: 12px; fill: var(--ink); font-family: inherit; }
    svg text.muted { fill: var(--muted); font-size: 11px; } svg text.strong { font-weight: 600; }
    svg text.halo { paint-order: stroke; stroke: var(--ground); stroke-width: 3px; stroke-linejoin: round; }
    svg .grid { stroke: var(--grid); stroke-width: 1; } svg .reference { stroke: var(--muted); stroke-width: 1; }
    svg .dashed { stroke-dasharray: 4 4; } svg .leader { stroke: var(--muted); stroke-width: 0.75; }
    svg .best { fill: var(--best); stroke: var(--best); } svg .own { fill: var(--own); stroke: var(--own); }
    svg .old { fill: var(--old); stroke: var(--old); } svg .stale { fill: var(--stale); stroke: var(--stale); }
    svg .union { fill: var(--union); stroke: var(--union); } svg .second { fill: var(--second); stroke: none; }
    svg .first { stroke: var(--first); } svg .hollow { fill: var(--ground); stroke-width: 1.6; }
    svg .first.hollow { fill: none; stroke-width: 0.9; }
    svg .stroke { stroke-width: 1.8; } svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
    svg .old.curve, svg .own.curve { stroke-width: 1.3; } svg .band { stroke: none; fill-opacity: 0.22; }
    svg .bar { stroke-width: 2.5; stroke-opacity: 0.3; }
    @media print {
      :root { color-scheme: light; font-size: 11px; \(light) }
      body { font-size: 1rem; } main { max-width: none; padding: 0; } .scroll { overflow: visible; }
      .pair { grid-template-columns: 1fr 1fr; } .triple { grid-template-columns: repeat(3, 1fr); }
      .quadruple { grid-template-columns: repeat(4, 1fr); } th, td { padding: 3px 4px; } tbody th { min-width: 0; }
      .wide svg { max-width: 400px; }
      figure, tr, dd, .legend, .note { break-inside: avoid; } h2, h3, dt { break-after: avoid; }
      * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
    }
    """
}
