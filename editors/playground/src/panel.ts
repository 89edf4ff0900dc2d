/** What stands beside the code: the steps of a fill, its candidates, its figures. */

import { meanConfidence, shadeOf } from "./canvas";
import { drawHeat } from "./heat";
import type { Candidate, Draft, Fill } from "./server";
import { inWords, milliseconds, percent } from "./wording";

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

const chart = element("steps-chart");
const floorLine = element("floor-line");
const scrub = element<HTMLInputElement>("scrub");

/** A bar per step: as tall as it took long, coloured by confidence; under them the heat of the
 * canvas. `onStep` gets the index of a draft, and one past the last of them for the fill itself. */
export function showSteps(drafts: Draft[], onStep: (index: number) => void): void {
  const times = timesOf(drafts);
  const longest = Math.max(...times, 1e-6);
  chart.replaceChildren(
    ...drafts.map((draft, index) => {
      const bar = document.createElement("button");
      const seconds = times[index] ?? 0;
      const confidence = meanConfidence(draft.confidence);
      bar.className = `bar shade-${shadeOf(confidence)}`;
      bar.style.height = `${Math.max(6, (100 * seconds) / longest)}%`;
      bar.title = `step ${draft.step}: ${milliseconds(seconds)}, mean confidence ${percent(confidence)}`;
      bar.onclick = () => onStep(index);
      return bar;
    }),
  );
  floorLine.hidden = true;
  drawHeat(element<HTMLCanvasElement>("heat"), drafts, onStep);
  scrub.disabled = drafts.length === 0;
  scrub.max = String(Math.max(1, drafts.length + 1));
  scrub.oninput = () => onStep(Number(scrub.value) - 1);
}

/** The least time of a step, as a line across the bars and in words. */
export function showFloor(drafts: Draft[], seconds: number | null): void {
  const times = timesOf(drafts).slice(1); // the first has the prompt's time in it
  if (seconds === null || times.length === 0) return;
  const longest = Math.max(...timesOf(drafts));
  const median = times.sort((one, other) => one - other)[times.length >> 1] ?? 0;
  floorLine.hidden = false;
  floorLine.style.bottom = `${Math.min(100, (100 * seconds) / longest)}%`;
  floorLine.title = "the least time of a step: its bytes and operations at this machine's rates";
  addFact("a step", `${milliseconds(median)}, ${(median / seconds).toFixed(1)} times its floor`);
  addFact("floor of a step", `${milliseconds(seconds)}, the dashed line`);
}

/** `index` as `onStep` of showSteps gets it; `drafts.length` points at the fill itself. */
export function pointAtStep(drafts: Draft[], index: number): void {
  const draft = drafts[index];
  scrub.value = String(index + 1);
  element("step-label").textContent = draft
    ? `${draft.step} of at most ${draft.of}, ${milliseconds(draft.seconds)} after asking`
    : drafts.length
      ? "all done: a ranked candidate"
      : "";
  [...chart.children].forEach((bar, number) => bar.classList.toggle("here", number === index));
  const here = element("heat-here");
  here.hidden = draft === undefined;
  here.style.top = `${(100 * index) / Math.max(1, drafts.length)}%`;
  here.style.height = `${100 / Math.max(1, drafts.length)}%`;
}

export function showCandidates(
  candidates: Candidate[],
  calibration: string | null,
  onPick: (index: number) => void,
): void {
  const worth = calibration === "calibrated" ? "" : ", not calibrated";
  element("candidates-label").textContent = candidates.length
    ? `best first, with the probability of being exactly right${worth}`
    : "";
  element("candidates").replaceChildren(
    ...candidates.map((candidate, index) => {
      const row = document.createElement("li");
      const pick = document.createElement("button");
      const code = document.createElement("code");
      code.textContent = inWords(candidate.texts);
      const probability = document.createElement("small");
      probability.textContent = percent(candidate.confidence);
      if (candidate.score !== null) {
        probability.title = `rank score ${candidate.score.toFixed(2)}: candidates are ordered by it`;
      }
      pick.append(code, probability);
      if (candidate.breaks) {
        const fault = document.createElement("small");
        fault.className = "fault";
        fault.textContent = "leaves syntax errors";
        probability.prepend(fault, " ");
      }
      pick.onclick = () => onPick(index);
      row.append(pick);
      return row;
    }),
  );
}

export function pointAtCandidate(index: number): void {
  [...element("candidates").children].forEach((row, number) =>
    row.classList.toggle("here", number === index),
  );
}

export function showFacts(fill: Fill | null): void {
  element("facts").replaceChildren();
  if (fill === null) return;
  addFact("confidence", `${percent(fill.confidence)}, ${fill.calibration ?? "calibration unknown"}`);
  addFact("steps", String(fill.steps));
  addFact("time", milliseconds(fill.seconds));
  addFact("canvas", `${fill.canvasTokens} tokens`);
  addFact("model", `${fill.model} on ${fill.device ?? "an unknown device"}`);
}

/** A sentence about what is shown; "" for none. */
export function note(text: string): void {
  element("note").textContent = text;
  element("note").hidden = text === "";
}

export function clearPanel(): void {
  note("");
  showSteps([], () => {});
  pointAtStep([], -1);
  showCandidates([], null, () => {});
  showFacts(null);
}

function addFact(name: string, value: string): void {
  const term = document.createElement("dt");
  const described = document.createElement("dd");
  term.textContent = name;
  described.textContent = value;
  element("facts").append(term, described);
}

/** What each step took, in seconds. */
function timesOf(drafts: Draft[]): number[] {
  return drafts.map((draft, index) => draft.seconds - (drafts[index - 1]?.seconds ?? 0));
}
