/** The page: code with holes, or the canvas in its place while a fill resolves and is looked at. */

import "./style.css";
import { about, floorOf, type About } from "./about";
import { Canvas } from "./canvas";
import { Comparison } from "./compare";
import { Holes } from "./holes";
import { LANGUAGES, languageOf } from "./languages";
import { monaco } from "./monaco";
import {
  clearPanel,
  element,
  note,
  pointAtCandidate,
  pointAtStep,
  showCandidates,
  showFacts,
  showFloor,
  showSteps,
} from "./panel";
import { Player } from "./player";
import { reportOf, type Case } from "./report";
import { SAMPLES } from "./samples";
import { Server, type Draft, type Fill, type Options, type Range, type Status } from "./server";
import { isNothing } from "./wording";

self.MonacoEnvironment = { getWorker: () => new Worker("worker.js", { type: "module" }) };

const FRAME_MS = 70; // a live draft stays at least as long, so that an eye can follow

const sample = element<HTMLSelectElement>("sample");
const language = element<HTMLSelectElement>("language");
const button = (id: string) => element<HTMLButtonElement>(id);

const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.dataset.theme = dark ? "dark" : "light";
const code = monaco.editor.createModel("", "python");
code.setEOL(monaco.editor.EndOfLineSequence.LF);
const editor = monaco.editor.create(element("editor"), {
  model: code,
  theme: dark ? "vs-dark" : "vs",
  automaticLayout: true,
  fontSize: 14,
  minimap: { enabled: false },
  scrollBeyondLastLine: false,
  renderLineHighlight: "none",
  padding: { top: 12 },
  readOnlyMessage: { value: "This is the canvas. Insert the fill, or go back to the code (Esc)." },
});
const holes = new Holes(code, () => refresh());

let server: Server | null = null;
let working: AbortController | null = null;
let canvas: Canvas | null = null;
let shown: string[] = []; // one text per hole, as the canvas shows them and Insert writes them
let known: About | null = null;
let comparison: Comparison | null = null;
let last: { asked: Asked; case: Case } | null = null; // what the canvas shows the fill of
let mayBeginAlone = !isStill; // until somebody has done anything: the first sample is then filled

/** What was asked of the server, so that other models can be asked the same. */
type Asked = { text: string; language: string; holes: Range[]; options: Options };

const player = new Player((plays) => {
  button("play").textContent = plays ? "Pause" : "Play";
});

function refresh(): void {
  const count = holes.ranges().length;
  button("fill").textContent = working ? "Stop" : count > 1 ? `Fill ${count} holes` : "Fill";
  button("fill").disabled = server === null;
  button("hole").disabled = button("clear").disabled = canvas !== null;
  const looks = canvas !== null && working === null;
  for (const id of ["insert", "back", "play", "report", "compare-run"]) button(id).disabled = !looks;
}

async function connect(): Promise<void> {
  try {
    known = await about();
    comparison = new Comparison(known.models.slice(1), lookAtCompared);
    server = await Server.connect(known.models[0] ?? "", () => {
      server = null;
      say("the server has gone: start infill-ls playground again", "failed");
      refresh();
    });
    server.onStatus = showStatus;
  } catch (error) {
    say(messageOf(error), "failed");
  }
  refresh();
}

function showStatus(status: Status): void {
  const device = status.device ? ` on ${status.device}` : "";
  const told = { starting: "the model loads", failed: status.message }[status.state];
  say(told ?? `${status.model}${device}: ${status.state}`, status.state);
  if (status.state === "ready" && mayBeginAlone) void fillHoles();
}

function say(text: string, state = ""): void {
  element("status").textContent = text;
  element("status").dataset.state = state;
}

function makeHole(): void {
  const selection = editor.getSelection();
  if (canvas === null && selection !== null) holes.add(selection);
}

async function fillHoles(): Promise<void> {
  mayBeginAlone = false;
  if (working) return working.abort();
  back();
  if (server === null) return;
  if (holes.ranges().length === 0) makeHole();
  const ranges = holes.ranges();
  const spots = ranges.map((range) => ({
    start: code.getOffsetAt(range.getStartPosition()),
    end: code.getOffsetAt(range.getEndPosition()),
  }));
  const asked: Asked = {
    text: code.getValue(),
    language: language.value,
    holes: ranges.map((range) => ({
      start: { line: range.startLineNumber - 1, character: range.startColumn - 1 },
      end: { line: range.endLineNumber - 1, character: range.endColumn - 1 },
    })),
    options: options(),
  };
  const live = (canvas = new Canvas(code.getValue(), spots, languageOf(language.value).monaco));
  lookAt(live);
  clearPanel();
  comparison?.clear();
  const mine = (working = new AbortController());
  refresh();
  const drafts = new Slowly((draft: Draft) => {
    if (canvas === live) live.show(draft.texts, draft.confidence);
  });
  server.onDraft = (draft) => drafts.add(draft);
  try {
    const fill = await askFor(server, asked, mine.signal);
    await drafts.done();
    mine.signal.throwIfAborted();
    working = null;
    last = { asked, case: { ...asked, code: withMarks(asked.text, spots), fill, about: known } };
    look(live, fill);
    void compareWithFloor(live, fill);
  } catch (error) {
    const stopped = mine.signal.aborted;
    working = null;
    if (canvas === live) back();
    say(stopped ? "stopped" : messageOf(error), stopped ? "" : "failed");
  }
  refresh();
}

function lookAtCompared(fill: Fill): void {
  if (canvas === null || last === null) return;
  last = { ...last, case: { ...last.case, fill } };
  look(canvas, fill);
  void compareWithFloor(canvas, fill);
}

function askFor(server: Server, asked: Asked, cancelled: AbortSignal): Promise<Fill> {
  return server.fill(asked.text, asked.language, asked.holes, asked.options, cancelled);
}

function withMarks(text: string, spots: { start: number; end: number }[]): string {
  const ends = [0, ...spots.map((spot) => spot.end)];
  const parts = ends.map((end, index) => text.slice(end, spots[index]?.start));
  return parts.join("???");
}

/** After a fill: any of its steps and candidates can be seen; the last one seen can be inserted. */
function look(on: Canvas, fill: Fill): void {
  const candidates = fill.alternatives;
  const best = bestOf(fill);
  let picked = best;
  const pick = (index: number): void => {
    picked = index;
    shown = candidates[index]?.texts ?? fill.texts;
    on.show(shown);
    pointAtCandidate(index);
    pointAtStep(fill.drafts, fill.drafts.length);
  };
  const step = (index: number): void => {
    const draft = fill.drafts[index];
    if (draft === undefined) return pick(picked);
    shown = draft.texts;
    on.show(shown, draft.confidence);
    pointAtCandidate(-1);
    pointAtStep(fill.drafts, index);
  };
  const byHand = (show: (index: number) => void) => (index: number) => {
    player.stop();
    show(index);
  };
  showSteps(fill.drafts, byHand(step));
  showCandidates(candidates, fill.calibration, byHand(pick));
  showFacts(fill);
  note(whyBest(fill, best));
  pick(best);
  button("play").onclick = () =>
    player.plays ? player.stop() : player.play(fill.drafts.length + 1, step);
}

/** The first candidate that leaves no syntax errors and is not empty; else the first. */
function bestOf(fill: Fill): number {
  const sound = fill.alternatives.findIndex((each) => !each.breaks && !isNothing(each.texts));
  return Math.max(0, sound);
}

/** Where that is not plain: what was passed over, or why what is shown should not be inserted. */
function whyBest(fill: Fill, best: number): string {
  const first = fill.alternatives[0];
  const shown = fill.alternatives[best];
  if (shown === undefined || first === undefined) return "";
  if (isNothing(shown.texts)) return "The model has nothing to put here: Insert would leave the holes empty.";
  if (shown.breaks) return "All that the model has would leave syntax errors.";
  if (best === 0) return "";
  if (isNothing(first.texts)) return "Ranked first is nothing at all; shown is the best that is something.";
  return "Ranked first are candidates that would leave syntax errors; shown is the best that does not.";
}

/** After a fill, because it would disturb it: the machine's rates are measured. */
async function compareWithFloor(on: Canvas, fill: Fill): Promise<void> {
  const canvases = Math.max(1, fill.drafts.filter((draft) => draft.step === 1).length);
  const seconds = await floorOf(fill.requested, Math.round(fill.canvasTokens / canvases));
  if (canvas === on && working === null && last?.case.fill === fill) showFloor(fill.drafts, seconds);
}

async function compare(): Promise<void> {
  if (last === null || comparison === null) return;
  const { asked, case: own } = last;
  working = new AbortController();
  refresh();
  const cancelled = working.signal;
  await comparison.run(own.fill, (server) => askFor(server, asked, cancelled), cancelled);
  working = null;
  refresh();
}

function showReport(): void {
  if (last === null) return;
  element<HTMLTextAreaElement>("report-text").value = reportOf(last.case);
  element("report-copied").textContent = "";
  element<HTMLDialogElement>("report-dialog").showModal();
}

async function copyReport(): Promise<void> {
  const text = element<HTMLTextAreaElement>("report-text");
  text.select();
  try {
    await navigator.clipboard.writeText(text.value);
    element("report-copied").textContent = "copied";
  } catch {
    element("report-copied").textContent = "the browser refuses: press Ctrl+C, it is selected";
  }
}

function lookAt(on: Canvas): void {
  const scroll = editor.getScrollTop();
  editor.setModel(on.model);
  editor.updateOptions({ readOnly: true });
  editor.setScrollTop(scroll);
  editor.revealPositionInCenterIfOutsideViewport(on.start);
}

function back(): void {
  player.stop();
  if (canvas === null) return;
  const scroll = editor.getScrollTop();
  editor.setModel(code);
  editor.updateOptions({ readOnly: false });
  editor.setScrollTop(scroll);
  canvas.model.dispose();
  canvas = null;
  refresh();
}

function insert(): void {
  const edits = holes.ranges().map((range, number) => ({ range, text: shown[number] ?? "" }));
  back();
  holes.clear();
  editor.pushUndoStop();
  editor.executeEdits("infill", edits);
  editor.pushUndoStop();
  editor.focus();
}

function options(): Options {
  const given = (id: string): number | undefined => {
    const value = element<HTMLInputElement>(id).valueAsNumber;
    return Number.isInteger(value) ? value : undefined;
  };
  return { steps: given("steps"), seed: given("seed") };
}

function setLanguage(id: string): void {
  language.value = id;
  monaco.editor.setModelLanguage(code, languageOf(id).monaco);
}

function setSample(index: number): void {
  const chosen = SAMPLES[index];
  if (chosen === undefined) return;
  working?.abort();
  back();
  clearPanel();
  holes.clear();
  setLanguage(chosen.language);
  code.setValue(chosen.text);
  editor.focus();
}

/** Hands drafts on one at a time, each shown long enough to be seen. */
class Slowly {
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly show: (draft: Draft) => void) {}

  add(draft: Draft): void {
    this.last = this.last.then(() => {
      if (working?.signal.aborted) return;
      this.show(draft);
      return new Promise((resolve) => setTimeout(resolve, FRAME_MS));
    });
  }

  done(): Promise<void> {
    return this.last;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

sample.append(...SAMPLES.map((each, index) => new Option(each.name, String(index))));
language.append(...LANGUAGES.map((each) => new Option(each.name, each.id)));
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => (mayBeginAlone = false), { capture: true, once: true });
}
sample.onchange = () => setSample(Number(sample.value));
language.onchange = () => setLanguage(language.value);
button("hole").onclick = makeHole;
button("clear").onclick = () => holes.clear();
button("fill").onclick = () => void fillHoles();
button("insert").onclick = insert;
button("back").onclick = back;
button("compare-run").onclick = () => void compare();
button("report").onclick = showReport;
button("report-copy").onclick = () => void copyReport();
editor.addCommand(monaco.KeyMod.CtrlCmd | monaco.KeyCode.Enter, () => void fillHoles());
editor.addCommand(monaco.KeyMod.CtrlCmd | monaco.KeyCode.KeyH, makeHole);
editor.onKeyDown((event) => {
  if (event.keyCode !== monaco.KeyCode.Escape || canvas === null) return;
  if (working) working.abort();
  else back();
});
setSample(0);
void connect();
