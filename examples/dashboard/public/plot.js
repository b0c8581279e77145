// A plot of the last half minute on a canvas: for each line the last prices,
// and the band between the lowest and the highest of each tick, in percent of
// the opening price.

export const SPAN_MS = 30000;

const style = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Round steps of a scale: 1, 2 or 5 times a power of ten.
function scaleStep(range, lines) {
  const rough = range / lines;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power)
    .find((step) => step >= rough);
}

function bounds(lines, from) {
  let low = Infinity;
  let high = -Infinity;
  for (const { points } of lines)
    for (const point of points)
      if (point.at >= from) {
        low = Math.min(low, point.low);
        high = Math.max(high, point.high);
      }
  if (low > high) return [-0.5, 0.5];
  const margin = Math.max((high - low) * 0.08, 0.02);
  return [low - margin, high + margin];
}

function drawGrid(context, width, height, y, [low, high]) {
  const step = scaleStep(high - low, Math.max(2, height / 60));
  context.strokeStyle = style("--line");
  context.fillStyle = style("--soft");
  context.lineWidth = 1;
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "bottom";
  for (let at = Math.ceil(low / step) * step; at < high; at += step) {
    context.beginPath();
    context.moveTo(0, y(at));
    context.lineTo(width, y(at));
    context.stroke();
    // not above the plot
    if (y(at) > 16)
      context.fillText(`${at > 0 ? "+" : ""}${at.toFixed(2)} %`, 4, y(at) - 2);
  }
  context.textAlign = "right";
  for (let seconds = 5; seconds < SPAN_MS / 1000; seconds += 5)
    context.fillText(`-${seconds} s`,
      width * (1 - (seconds * 1000) / SPAN_MS), height);
  context.textAlign = "left";
}

function drawLine(context, { color, points }, x, y) {
  context.fillStyle = color;
  context.globalAlpha = 0.18;
  context.beginPath();
  for (const point of points) context.lineTo(x(point.at), y(point.high));
  for (const point of [...points].reverse())
    context.lineTo(x(point.at), y(point.low));
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = color;
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.beginPath();
  for (const point of points) context.lineTo(x(point.at), y(point.last));
  context.stroke();
}

// lines: [{ color, points: [{ at, last, low, high }] }]; now: the right edge.
export function draw(canvas, lines, now) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");

  if (canvas.width !== Math.round(width * ratio) ||
      canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);

  const range = bounds(lines, now - SPAN_MS);
  const x = (at) => width * (1 - (now - at) / SPAN_MS);
  const y = (percent) =>
    (height - 18) * (1 - (percent - range[0]) / (range[1] - range[0]));
  drawGrid(context, width, height, y, range);
  for (const line of lines) drawLine(context, line, x, y);
}
