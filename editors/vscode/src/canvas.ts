/**
 * The live canvas: where a fill will go, its draft is refined step by step, coloured by
 * confidence. Nothing is written into the document until the fill is there.
 *
 * Decorations have no lines of their own. The draft's first line stands in the line of the hole;
 * those below lie over the lines that follow, as the fill will push these down.
 */

import * as vscode from 'vscode';
import { type Line, type Sureness, clipped, layout } from './layout';
import type { Draft } from './protocol';

const COLOURS: Record<Sureness, string> = {
  unsure: 'infill.draftUnsure',
  likely: 'infill.draftLikely',
  sure: 'infill.draftSure',
};
const BACKGROUND = 'infill.draftBackground';
/** How long a word on what was put in stays, in milliseconds. */
const NOTED = 8_000;

interface Shown {
  readonly draft: Draft;
  readonly uri: vscode.Uri;
}

export class Canvas implements vscode.Disposable {
  readonly #written = vscode.window.createTextEditorDecorationType({
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  /** What stands in the hole now, and will be replaced. */
  readonly #replaced = vscode.window.createTextEditorDecorationType({
    textDecoration: 'none; display: none',
  });
  readonly #shown = new Map<string, Shown>();
  readonly #listener = vscode.window.onDidChangeVisibleTextEditors(() => this.#draw());

  /** `uri` is the draft's, as the editor knows it. */
  show(draft: Draft, uri: vscode.Uri): void {
    const key = `${draft.id}/${draft.hole}`;
    // The last one is what is put in: it stays until the edit is there, or the fill is over.
    if (!draft.done || this.#shown.has(key)) {
      this.#shown.set(key, { draft, uri });
    }
    if (draft.done && draft.note !== undefined && draft.note !== '') {
      vscode.window.setStatusBarMessage(`Infill: ${draft.note}`, NOTED);
    }
    this.#draw();
  }

  clear(): void {
    this.#shown.clear();
    this.#draw();
  }

  /** What it shows now, hole by hole, for tests. */
  get drafts(): Draft[] {
    return [...this.#shown.values()].map(({ draft }) => draft);
  }

  dispose(): void {
    this.#listener.dispose();
    this.#written.dispose();
    this.#replaced.dispose();
  }

  #draw(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const here = [...this.#shown.values()]
        .filter(({ uri }) => uri.toString() === editor.document.uri.toString())
        .map(({ draft }) => draft)
        .filter(({ version }) => version === editor.document.version);
      editor.setDecorations(
        this.#written,
        here.flatMap((draft) => written(draft, editor)),
      );
      editor.setDecorations(
        this.#replaced,
        here.map(rangeOf).filter((range) => !range.isEmpty),
      );
    }
  }
}

function written(draft: Draft, editor: vscode.TextEditor): vscode.DecorationOptions[] {
  const { start, end } = rangeOf(draft);
  const last = editor.document.lineCount - 1;
  const tabSize = Number(editor.options.tabSize) || 4;
  // What lies over the lines below is only readable where no other hole is drawn there.
  const rows = draft.holes > 1 ? end.line - start.line + 1 : Number.POSITIVE_INFINITY;
  return clipped(layout(draft.text, draft.confidence, tabSize), rows).map((line, number) => {
    const anchor = Math.min(start.line + number, last);
    const place = number === 0 ? '' : over(start.line + number - anchor, line.width);
    const at = number === 0 ? start : new vscode.Position(anchor, 0);
    return { range: new vscode.Range(at, at), renderOptions: { before: attachment(line, place) } };
  });
}

function attachment(line: Line, place: string): vscode.ThemableDecorationAttachmentRenderOptions {
  return {
    contentText: line.text.replaceAll(' ', '\u00a0') || '\u00a0',
    color: new vscode.ThemeColor(COLOURS.likely),
    // The API has one colour for an attachment: the runs' own are painted through the letters.
    textDecoration: `none; ${place} white-space: pre; background: ${painted(line)} text, ${behind()}; -webkit-text-fill-color: transparent`,
  };
}

function over(rows: number, width: number): string {
  return `position: absolute; left: 0; top: ${rows * 100}%; z-index: 1; min-width: max(${width}ch, 100%);`;
}

function painted({ runs }: Line): string {
  let column = 0;
  const stops = runs.map(({ width, sureness }) => {
    const from = column;
    column += width;
    return `${variable(COLOURS[sureness])} ${from}ch ${column}ch`;
  });
  return `linear-gradient(to right, ${stops.join(', ') || 'transparent, transparent'})`;
}

function behind(): string {
  const colour = variable(BACKGROUND);
  return `linear-gradient(${colour}, ${colour}), var(--vscode-editor-background)`;
}

function variable(colour: string): string {
  return `var(--vscode-${colour.replace('.', '-')})`;
}

function rangeOf({ range: { start, end } }: Draft): vscode.Range {
  return new vscode.Range(start.line, start.character, end.line, end.character);
}
