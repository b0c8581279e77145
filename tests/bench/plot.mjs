// A line plot as SVG: a few series over one axis, which may be logarithmic.
//
//     plot({ title, x: { title, log, ticks }, y: { title }, series: [
//         { name, points: [[x, y], …] } ], note })
const WIDTH = 640, HEIGHT = 360;
const LEFT = 72, RIGHT = 130, TOP = 44, BOTTOM = 64;
const COLOURS = ["#1f5fa8", "#c4501b", "#2f7d3b", "#7a3e9d"];

const escape = (text) => text.replace(/[&<>]/g, (c) =>
    ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
const text = (x, y, content, more = "") =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>` +
    `${escape(content)}</text>`;
const line = (x1, y1, x2, y2, more) =>
    `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" ` +
    `x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" ${more}/>`;

/** 10000 as "10,000"; small figures with what digits they need. */
function label(value) {
    return value >= 1000 ? value.toLocaleString("en-US")
        : String(Number(value.toPrecision(3)));
}

/** Round steps from 0 to at least max: about five of them. */
function steps(max) {
    const rough = (max > 0 ? max : 1) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((n) => n * power)
        .find((n) => n >= rough);
    const count = Math.ceil(max / step * 1.02);

    return Array.from({ length: Math.max(count, 1) + 1 }, (_, i) => i * step);
}

export function plot({ title, x, y, series, note = "" }) {
    const right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
    const xs = series.flatMap(({ points }) => points.map(([at]) => at));
    const ys = series.flatMap(({ points }) => points.map(([, at]) => at));
    const scale = x.log ? Math.log : (value) => value;
    const low = scale(x.log ? Math.min(...xs) : 0);
    const high = scale(Math.max(...xs));
    const levels = steps(Math.max(...ys));
    const ticks = x.ticks ?? (x.log ? [...new Set(xs)] : steps(Math.max(...xs)))
        .filter((value) => scale(value) <= high);
    const px = (value) =>
        LEFT + (scale(value) - low) / (high - low || 1) * (right - LEFT);
    const py = (value) =>
        bottom - value / levels.at(-1) * (bottom - TOP);
    const parts = [
        `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" ` +
            `height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
            `font-family="sans-serif" font-size="12" fill="#222">`,
        `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
        text(LEFT, 24, title, 'font-size="15" font-weight="bold"'),
    ];

    for (const level of levels)
        parts.push(line(LEFT, py(level), right, py(level), 'stroke="#ddd"'),
            text(LEFT - 8, py(level) + 4, label(level), 'text-anchor="end"'));
    for (const tick of ticks)
        parts.push(line(px(tick), bottom, px(tick), bottom + 5,
            'stroke="#444"'),
        text(px(tick), bottom + 19, label(tick), 'text-anchor="middle"'));
    parts.push(line(LEFT, bottom, right, bottom, 'stroke="#444"'),
        line(LEFT, TOP, LEFT, bottom, 'stroke="#444"'),
        text((LEFT + right) / 2, bottom + 38,
            x.title + (x.log ? " (logarithmic)" : ""), 'text-anchor="middle"'),
        text(0, 0, y.title, `text-anchor="middle" transform="translate(16 ` +
            `${((TOP + bottom) / 2).toFixed(1)}) rotate(-90)"`));
    if (note)
        parts.push(text(LEFT, HEIGHT - 8, note, 'font-size="11" fill="#666"'));

    series.forEach(({ name, points }, i) => {
        const colour = COLOURS[i % COLOURS.length];
        const path = points.map(([at, value], n) =>
            `${n ? "L" : "M"}${px(at).toFixed(1)} ${py(value).toFixed(1)}`);

        parts.push(`<path d="${path.join("")}" fill="none" ` +
            `stroke="${colour}" stroke-width="2"/>`);
        for (const [at, value] of points)
            parts.push(`<circle cx="${px(at).toFixed(1)}" ` +
                `cy="${py(value).toFixed(1)}" r="3" fill="${colour}"/>`);
        parts.push(line(right + 14, TOP + 8 + i * 20, right + 32,
            TOP + 8 + i * 20, `stroke="${colour}" stroke-width="2"`),
        text(right + 38, TOP + 12 + i * 20, name));
    });
    return `${[...parts, "</svg>"].join("\n")}\n`;
}
