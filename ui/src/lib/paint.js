// What uPlot does not draw itself: interval bands that tell observed from inferred, and marks.

/// The 90 and 50 % intervals behind the line. Inferred parts are hatched, missing ones stay empty.
export function bandsBelow(u, axis, band, colours) {
  const ctx = u.ctx;
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  for (const { from, to, inferred } of runs(band)) {
    area(u, axis, band.lower90, band.upper90, from, to);
    ctx.fillStyle = `rgba(${colours.band}, ${inferred ? 0.08 : 0.16})`;
    ctx.fill();
    if (inferred) hatch(u, colours);
    area(u, axis, band.lower50, band.upper50, from, to);
    ctx.fillStyle = `rgba(${colours.band}, ${inferred ? 0.16 : 0.26})`;
    ctx.fill();
  }
  ctx.restore();
}

/// Stretches of windows with the same basis and an interval; a run reaches the first window of the next
/// one, so that the band does not break where the basis changes.
function runs(band) {
  const out = [];
  const has = (i) => band.lower90[i] !== null && band.upper90[i] !== null;
  let from = null;
  for (let i = 0; i <= band.value.length; i++) {
    const ends = from !== null && (i === band.value.length || !has(i) || band.basis[i] !== band.basis[from]);
    if (ends) {
      const joined = i < band.value.length && has(i) ? i : i - 1;
      out.push({ from, to: joined, inferred: band.basis[from] !== 'o' });
      from = null;
    }
    if (from === null && i < band.value.length && has(i)) from = i;
  }
  return out;
}

function area(u, axis, lower, upper, from, to) {
  const x = (i) => u.valToPos(axis.starts_ms[i] / 1000, 'x', true);
  const y = (v) => u.valToPos(v, 'y', true);
  u.ctx.beginPath();
  if (from === to) {
    // A window alone would have no width.
    const half = 4 * devicePixelRatio;
    u.ctx.rect(x(from) - half, y(upper[from]), 2 * half, y(lower[from]) - y(upper[from]));
    return;
  }
  for (let i = from; i <= to; i++) u.ctx.lineTo(x(i), y(upper[i]));
  for (let i = to; i >= from; i--) u.ctx.lineTo(x(i), y(lower[i]));
  u.ctx.closePath();
}

function hatch(u, colours) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.clip();
  ctx.strokeStyle = `rgba(${colours.band}, 0.45)`;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  const step = 6 * devicePixelRatio;
  for (let x = bbox.left - bbox.height; x < bbox.left + bbox.width; x += step) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/// Changes as solid lines, an onset as a dashed one with its error as a soft bar.
export function marksAbove(u, marks, colours) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const mark of marks) {
    const x = Math.round(u.valToPos(mark.time / 1000, 'x', true));
    const colour = mark.kind === 'change' ? colours.change : colours.cause;
    if (mark.error > 0) {
      const half = Math.abs(u.valToPos((mark.time + mark.error) / 1000, 'x', true) - x);
      ctx.globalAlpha = 0.13;
      ctx.fillStyle = colour;
      ctx.fillRect(x - half, bbox.top, 2 * half, bbox.height);
      ctx.globalAlpha = 1;
    }
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash(mark.kind === 'change' ? [] : [5 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
