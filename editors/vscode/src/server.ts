/** The server's life: found, started, started again when it ends, and what it says of itself. */

import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import * as vscode from 'vscode';
import {
  CloseAction,
  ErrorAction,
  type LanguageClientOptions,
  LanguageClient,
  RevealOutputChannelOn,
  TransportKind,
} from 'vscode-languageclient/node';
import { Backoff } from './backoff';
import type { Canvas } from './canvas';
import type { Fills } from './fills';
import { type Found, findServer } from './find';
import { ownProgram } from './install';
import { middleware } from './middleware';
import { DRAFT, STATUS, type Status } from './protocol';
import * as settings from './settings';
import { fits } from './version';
import type { Life } from './wording';

const LANGUAGES = [{ scheme: 'file' }, { scheme: 'untitled' }, { scheme: 'vscode-notebook-cell' }];

export class Server implements vscode.Disposable {
  readonly log: vscode.LogOutputChannel;
  /** Where this extension lies, and where it may keep a server of its own. */
  readonly extensionFolder: string;
  readonly storage: string;
  life: Life = 'starting';
  status: Status | undefined;
  latency: number | undefined;
  problem = '';

  readonly #fills: Fills;
  readonly #canvas: Canvas;
  readonly #backoff = new Backoff();
  readonly #changed = new vscode.EventEmitter<void>();
  #client: LanguageClient | undefined;
  #soon: NodeJS.Timeout | undefined;

  /** Anything of the above is another. */
  readonly onDidChange = this.#changed.event;

  readonly #version: string;

  constructor(
    context: vscode.ExtensionContext,
    log: vscode.LogOutputChannel,
    fills: Fills,
    canvas: Canvas,
  ) {
    this.extensionFolder = context.extensionPath;
    this.storage = vscode.Uri.joinPath(context.globalStorageUri, 'server').fsPath;
    this.#version = (context.extension.packageJSON as { version: string }).version;
    this.log = log;
    this.#fills = fills;
    this.#canvas = canvas;
  }

  /** The program, or why there is none: looked for anew each time. */
  find(): Found {
    const folders = vscode.workspace.isTrusted ? (vscode.workspace.workspaceFolders ?? []) : [];
    return findServer(settings.serverPath(), {
      env: process.env,
      home: homedir(),
      platform: process.platform,
      folders: folders.filter(({ uri }) => uri.scheme === 'file').map(({ uri }) => uri.fsPath),
      isExecutable,
      own: ownProgram(this),
    });
  }

  /** As the user asks for it: what has failed before is forgotten. False where there is none. */
  async restart(): Promise<boolean> {
    this.#backoff.reset();
    await this.#stop();
    return this.#start();
  }

  configure(): void {
    void this.#client?.sendNotification('workspace/didChangeConfiguration', {
      settings: { [settings.SECTION]: settings.forServer() },
    });
    this.#changed.fire();
  }

  took(milliseconds: number): void {
    this.latency = Math.round(milliseconds);
    this.#changed.fire();
  }

  async close(): Promise<void> {
    await this.#stop();
    this.dispose();
  }

  dispose(): void {
    clearTimeout(this.#soon);
    this.#changed.dispose();
  }

  async #start(): Promise<boolean> {
    const found = this.find();
    if ('problem' in found) {
      this.#is('missing', found.problem);
      return false;
    }
    this.log.info(`starting ${found.path} (${found.source})`);
    this.#is('starting');
    this.#backoff.started(Date.now());
    const client = new LanguageClient(
      'infill',
      'Infill',
      this.#program(found.path),
      this.#options(),
    );
    client.onNotification(STATUS, (status) => {
      this.status = status;
      this.#changed.fire();
    });
    client.onNotification(DRAFT, (draft) => {
      if (settings.showsCanvas() && (this.#fills.busy || draft.done)) {
        this.#canvas.show(draft, client.protocol2CodeConverter.asUri(draft.uri));
      }
    });
    this.#client = client;
    try {
      await client.start();
    } catch (error) {
      this.log.error(String(error));
      if (this.#client === client) {
        this.#ended();
      }
      return true;
    }
    if (this.#client === client) {
      this.#is('running');
      void this.#compareVersions(client.initializeResult?.serverInfo?.version);
    }
    return true;
  }

  /** Extension and server are released together; one that is left behind is told of. */
  async #compareVersions(theirs: string | undefined): Promise<void> {
    if (fits(this.#version, theirs)) {
      return;
    }
    const update = 'Update the Server';
    const answer = await vscode.window.showWarningMessage(
      `Infill: this extension is version ${this.#version}, and the server is ${theirs ?? 'of an unknown version'}: bring both to the same version.`,
      update,
    );
    if (answer === update) {
      await vscode.commands.executeCommand('infill.install');
    }
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#soon);
    const client = this.#client;
    this.#client = undefined;
    this.#forget();
    if (client?.needsStop() === true) {
      await client.stop().catch((error: unknown) => this.log.warn(String(error)));
    }
  }

  /** It has ended by itself: again, after a while, unless that has been tried too often. */
  #ended(): void {
    if (this.#client === undefined) {
      return;
    }
    this.#client = undefined;
    this.#forget();
    const wait = this.#backoff.ended(Date.now());
    if (wait === undefined) {
      this.#is('stopped', 'the server has ended too often; its log says why');
      return;
    }
    this.#is('waiting', `the server has ended; it is started again in ${wait / 1000} s`);
    this.#soon = setTimeout(() => void this.#start(), wait);
  }

  #forget(): void {
    this.status = undefined;
    this.#fills.cancel();
    this.#canvas.clear();
  }

  #is(life: Life, problem = ''): void {
    this.life = life;
    this.problem = problem;
    void vscode.commands.executeCommand('setContext', 'infill.running', life === 'running');
    void vscode.commands.executeCommand('setContext', 'infill.missing', life === 'missing');
    this.#changed.fire();
  }

  #program(path: string) {
    const [folder] = vscode.workspace.workspaceFolders ?? [];
    return {
      command: path,
      args: settings.serverArguments(),
      transport: TransportKind.stdio,
      ...(folder?.uri.scheme === 'file' && { options: { cwd: folder.uri.fsPath } }),
    };
  }

  #options(): LanguageClientOptions {
    return {
      documentSelector: LANGUAGES,
      initializationOptions: {
        [settings.SECTION]: settings.forServer(),
        drafts: true,
        status: true,
      },
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      middleware: middleware(
        () => this.#client,
        this.#fills,
        (milliseconds) => this.took(milliseconds),
      ),
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          this.#ended();
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
    };
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
