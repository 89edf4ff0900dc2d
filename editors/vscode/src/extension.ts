/** The extension: its parts put together, and the commands. */

import * as vscode from 'vscode';
import { Canvas } from './canvas';
import { Fills } from './fills';
import { install, offerServer } from './install';
import { chooseModel, runTool, showAnyway, showMenu, toggleTrigger } from './menu';
import { Server } from './server';
import { SECTION } from './settings';
import { MENU, StatusBar } from './status_bar';
import { greet, openWalkthrough } from './walkthrough';

/** For tests that run in the extension host. */
export interface Api {
  readonly server: Server;
  readonly statusBar: StatusBar;
  readonly canvas: Canvas;
  readonly fills: Fills;
}

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): Api {
  const log = vscode.window.createOutputChannel('Infill', { log: true });
  const fills = new Fills();
  const canvas = new Canvas();
  const here = (server = new Server(context, log, fills, canvas));
  const statusBar = new StatusBar(here);
  context.subscriptions.push(log, fills, canvas, statusBar);
  context.subscriptions.push(
    here.onDidChange(() => statusBar.refresh()),
    fills.onDidEnd((milliseconds) => {
      if (milliseconds !== undefined) {
        here.took(milliseconds);
      }
      if (!fills.busy) {
        canvas.clear();
      }
    }),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration(`${SECTION}.server`)) {
        await restart();
      } else if (change.affectsConfiguration(SECTION)) {
        here.configure();
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => here.life === 'missing' && restart()),
  );

  async function restart(): Promise<void> {
    if (!(await here.restart())) {
      void offerServer(here);
    }
  }

  const commands: Record<string, () => unknown> = {
    [MENU]: () => showMenu(here),
    'infill.cancel': () => fills.cancel(),
    'infill.restart': restart,
    'infill.install': () => install(here),
    'infill.toggleTrigger': toggleTrigger,
    'infill.showAnyway': showAnyway,
    'infill.model': () => chooseModel(here),
    'infill.doctor': () => runTool(here, 'doctor'),
    'infill.stats': () => runTool(here, 'stats'),
    'infill.log': () => log.show(),
    'infill.settings': () =>
      vscode.commands.executeCommand('workbench.action.openSettings', '@ext:infill-ls.infill'),
    'infill.walkthrough': openWalkthrough,
  };
  for (const [name, run] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(name, run));
  }
  // Once it is known whether there is a server: the walkthrough begins with the step that is next.
  void restart().then(() => greet(context));
  return { server: here, statusBar, canvas, fills };
}

export async function deactivate(): Promise<void> {
  await server?.close();
}
