/** What the page asks of the language server: one document, its holes, their fill. */

import { addressOf } from "./about";
import { Connection } from "./connection";

export type Position = { line: number; character: number };
export type Range = { start: Position; end: Position };
export type Span = { start: number; end: number; confidence: number };

/** The canvas after one step: a text and its spans for each hole; `seconds` since the request. */
export type Draft = { step: number; of: number; seconds: number; texts: string[]; confidence: Span[][] };
/** `confidence` is the probability that all of it is exactly right; `breaks`: it leaves syntax errors. */
export type Candidate = { texts: string[]; score: number | null; confidence: number; breaks: boolean };

export type Fill = {
  texts: string[];
  confidence: number;
  calibration: string | null;
  steps: number;
  canvasTokens: number;
  seconds: number;
  model: string;
  requested: string; // the model by the name that the page knows
  device: string | null;
  alternatives: Candidate[]; // best first, one at least
  drafts: Draft[];
};

export type Status = { state: string; model: string; device: string | null; message: string };
export type Options = { steps?: number; seed?: number };

const FULL_SYNC_URI = "untitled:playground";

/** Live drafts as the server sends them while it works: one notification per hole. */
type DraftOfHole = { hole: number; holes: number; text: string; step: number; of: number; confidence: Span[]; done: boolean };

export class Server {
  onStatus: (status: Status) => void = () => {};
  onDraft: (draft: Draft) => void = () => {};
  private version = 0;
  private isOpen = false;
  private started = 0;
  private pending: DraftOfHole[] = [];

  private constructor(
    private readonly connection: Connection,
    private readonly model: string,
  ) {
    connection.on("infill/status", (status) => this.onStatus(status));
    connection.on("infill/draft", (draft) => this.collect(draft));
  }

  static async connect(model: string, onClose: () => void): Promise<Server> {
    const address = addressOf("/lsp", { model });
    address.protocol = "ws:";
    const connection = await Connection.open(address, onClose);
    const server = new Server(connection, model);
    await connection.request("initialize", {
      processId: null,
      rootUri: null,
      capabilities: { general: { positionEncodings: ["utf-16"] } },
      initializationOptions: { drafts: true, status: true, stats: false },
    });
    connection.notify("initialized", {});
    return server;
  }

  async fill(text: string, language: string, holes: Range[], options: Options, cancelled: AbortSignal): Promise<Fill> {
    this.send(text, language);
    this.started = performance.now();
    this.pending = [];
    const fill = await this.connection.request(
      "infill/fill",
      { textDocument: { uri: FULL_SYNC_URI, version: this.version }, holes, trace: true, ...options },
      cancelled,
    );
    return { ...fill, requested: this.model };
  }

  private send(text: string, language: string): void {
    const textDocument = { uri: FULL_SYNC_URI, languageId: language, version: ++this.version, text };
    if (this.isOpen) this.connection.notify("textDocument/didClose", { textDocument });
    this.connection.notify("textDocument/didOpen", { textDocument });
    this.isOpen = true;
  }

  private collect(part: DraftOfHole): void {
    if (part.hole === 0) this.pending = [];
    this.pending.push(part);
    if (part.done || this.pending.length < part.holes) return;
    this.onDraft({
      step: part.step,
      of: part.of,
      seconds: (performance.now() - this.started) / 1000,
      texts: this.pending.map((each) => each.text),
      confidence: this.pending.map((each) => each.confidence),
    });
  }
}
