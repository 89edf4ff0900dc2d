/** The page: code with holes, or the canvas in its place while a fill resolves and is looked at. */

import "./style.css";
import { Canvas } from "./canvas";
import { Holes } from "./holes";
import { LANGUAGES, languageOf } from "./languages";
import { monaco } from "./monaco";
import {
  clearPanel,
  element,
  pointAtCandidate,
  pointAtStep,
  showCandidates,
  showFacts,
  showSteps,
} from "./panel";
import { SAMPLES } from "./samples";
import { Server, type Draft, type Fill, type Options, type Status } from "./server";

self.MonacoEnvironment = { getWorker: () => new Worker("worker.js", { type: "module" }) };

const FRAME_MS = 70; // a live draft stays at least as long, so that an eye can follow

const sample = element<HTMLSelectElement>("sample");
const language = element<HTMLSelectElement>("language");
const button = (id: string) => element<HTMLButtonElement>(id);

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

function refresh(): void {
  const count = holes.ranges().length;
  button("fill").textContent = working ? "Stop" : count > 1 ? `Fill ${count} holes` : "Fill";
  button("fill").disabled = server === null;
  button("hole").disabled = button("clear").disabled = canvas !== null;
  button("insert").disabled = button("back").disabled = canvas === null || working !== null;
}

async function connect(): Promise<void> {
  const address = new URL("/lsp", location.href);
  address.protocol = "ws:";
  address.search = location.search;
  try {
    server = await Server.connect(address, () => {
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
  if (working) return working.abort();
  back();
  if (server === null) return;
  if (holes.ranges().length === 0) makeHole();
  const ranges = holes.ranges();
  const spots = ranges.map((range) => ({
    start: code.getOffsetAt(range.getStartPosition()),
    end: code.getOffsetAt(range.getEndPosition()),
  }));
  const live = (canvas = new Canvas(code.getValue(), spots, languageOf(language.value).monaco));
  lookAt(live);
  clearPanel();
  working = new AbortController();
  refresh();
  const drafts = new Slowly((draft: Draft) => live.show(draft.texts, draft.confidence));
  server.onDraft = (draft) => drafts.add(draft);
  try {
    const asked = ranges.map((range) => ({
      start: { line: range.startLineNumber - 1, character: range.startColumn - 1 },
      end: { line: range.endLineNumber - 1, character: range.endColumn - 1 },
    }));
    const fill = await server.fill(code.getValue(), language.value, asked, options(), working.signal);
    await drafts.done();
    working = null;
    look(live, fill);
  } catch (error) {
    const stopped = working?.signal.aborted;
    working = null;
    back();
    say(stopped ? "stopped" : messageOf(error), stopped ? "" : "failed");
  }
  refresh();
}

/** After a fill: any of its steps and candidates can be seen; the last one seen can be inserted. */
function look(on: Canvas, fill: Fill): void {
  const candidates = fill.alternatives.length ? fill.alternatives : [{ texts: fill.texts, score: null }];
  const pick = (index: number): void => {
    shown = candidates[index]?.texts ?? fill.texts;
    on.show(shown);
    pointAtCandidate(index);
    pointAtStep(fill.drafts, -1);
  };
  const step = (index: number): void => {
    const draft = fill.drafts[index];
    if (draft === undefined) return;
    shown = draft.texts;
    on.show(shown, draft.confidence);
    pointAtCandidate(-1);
    pointAtStep(fill.drafts, index);
  };
  showSteps(fill.drafts, step);
  showCandidates(candidates, pick);
  showFacts(fill);
  const best = candidates.findIndex((each) => each.texts.join("\0") === fill.texts.join("\0"));
  pick(Math.max(0, best));
}

function lookAt(on: Canvas): void {
  const scroll = editor.getScrollTop();
  editor.setModel(on.model);
  editor.updateOptions({ readOnly: true });
  editor.setScrollTop(scroll);
  editor.revealPositionInCenterIfOutsideViewport(on.start);
}

function back(): void {
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
sample.onchange = () => setSample(Number(sample.value));
language.onchange = () => setLanguage(language.value);
button("hole").onclick = makeHole;
button("clear").onclick = () => holes.clear();
button("fill").onclick = () => void fillHoles();
button("insert").onclick = insert;
button("back").onclick = back;
editor.addCommand(monaco.KeyMod.CtrlCmd | monaco.KeyCode.Enter, () => void fillHoles());
editor.addCommand(monaco.KeyMod.CtrlCmd | monaco.KeyCode.KeyH, makeHole);
editor.onKeyDown((event) => {
  if (event.keyCode !== monaco.KeyCode.Escape || canvas === null) return;
  if (working) working.abort();
  else back();
});
setSample(0);
void connect();
