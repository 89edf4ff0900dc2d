/** The canvas after each step as a picture: a row a step, a column a character, its colour the
 * confidence. What is settled before a step, or not reached by it, is grey. */

import { SHADES, shadeOf } from "./canvas";
import type { Draft } from "./server";

const ROW = 7; // CSS pixels
const GAP = 2; // characters between two holes

/** `onStep` gets the index of the draft whose row is clicked. */
export function drawHeat(canvas: HTMLCanvasElement, drafts: Draft[], onStep: (index: number) => void): void {
  const holes = drafts[0]?.texts.length ?? 0;
  const widths = Array.from({ length: holes }, (_, hole) =>
    Math.max(1, ...drafts.map((draft) => draft.texts[hole]?.length ?? 0)),
  );
  const columns = widths.reduce((sum, width) => sum + width, GAP * Math.max(0, holes - 1));
  const scale = devicePixelRatio || 1;
  canvas.hidden = drafts.length === 0;
  canvas.style.height = `${ROW * drafts.length}px`;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = Math.max(1, Math.round(ROW * drafts.length * scale));
  const context = canvas.getContext("2d");
  if (context === null) return;
  const [colours, settled] = coloursOf(canvas);
  const column = canvas.width / Math.max(1, columns);
  const row = ROW * scale;
  drafts.forEach((draft, step) => {
    let left = 0;
    draft.texts.forEach((text, hole) => {
      const paint = (start: number, end: number, colour: string): void => {
        context.fillStyle = colour;
        context.fillRect((left + start) * column, step * row, (end - start) * column, row - scale);
      };
      paint(0, text.length, settled);
      for (const span of draft.confidence[hole] ?? []) {
        paint(span.start, span.end, colours[shadeOf(span.confidence)] ?? settled);
      }
      left += (widths[hole] ?? 0) + GAP;
    });
  });
  canvas.onclick = (event) => {
    const index = Math.floor(event.offsetY / ROW);
    if (index < drafts.length) onStep(index);
  };
}

/** The shades as the style sheet has them, and the colour of what is settled. */
function coloursOf(canvas: HTMLCanvasElement): [string[], string] {
  const probe = document.createElement("i");
  canvas.after(probe);
  const shades = Array.from({ length: SHADES }, (_, shade) => {
    probe.className = `bar shade-${shade}`;
    return getComputedStyle(probe).backgroundColor;
  });
  probe.className = "settled";
  const settled = getComputedStyle(probe).backgroundColor;
  probe.remove();
  return [shades, settled];
}
