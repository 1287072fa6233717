// Names in boxes: whole where they fit, else in two lines, and cut only where these do not do.
import { shortened } from './requests.js';

const font = "600 12.5px system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif";
const pen = document.createElement('canvas').getContext('2d');
const widths = new Map();

function widthOf(text) {
  pen.font = font;
  if (widths.size > 20_000) widths.clear();
  if (!widths.has(text)) widths.set(text, pen.measureText(text).width);
  return widths.get(text);
}

/// As many of its letters as fit.
function cutTo(text, room) {
  if (widthOf(text) <= room) return text;
  let most = [...text].length;
  while (most > 3 && widthOf(shortened(text, most)) > room) most -= 1;
  return shortened(text, most);
}

/// One or two lines of at most `room` pixels: broken behind a space, dash, dot, slash, colon or underscore if
/// that keeps it whole, else where the first line is full.
export function fittingLines(name, room) {
  if (widthOf(name) <= room) return [name];
  const letters = [...name];
  let full = 0;
  while (full < letters.length && widthOf(letters.slice(0, full + 1).join('')) <= room) full += 1;
  const split = (at) => [letters.slice(0, at).join('').trimEnd(), letters.slice(at).join('').trimStart()];
  for (let at = full; at > 1; at--) {
    if (' -_./:'.includes(letters[at - 1]) && widthOf(split(at)[1]) <= room) return split(at);
  }
  const [first, rest] = split(Math.max(full, 1));
  return [first, cutTo(rest, room)];
}
