/** What a click on the status bar item offers. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import { install } from './install';
import type { Server } from './server';
import * as settings from './settings';
import { runInTerminal } from './terminal';
import { nameOf } from './wording';

interface Entry extends vscode.QuickPickItem {
  readonly run?: () => unknown;
}

export async function showMenu(server: Server): Promise<void> {
  const entry = await vscode.window.showQuickPick(entries(server), {
    title: 'Infill',
    placeHolder: [server.status?.message, server.problem].find(Boolean) ?? 'Choose an action',
  });
  await entry?.run?.();
}

export async function toggleTrigger(): Promise<void> {
  await settings.update('trigger', settings.onlyWhenAsked() ? 'auto' : 'manual');
}

/** What the last pause kept back: who asks by hand passes the threshold. */
export async function showAnyway(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
  await vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
}

/** What needs no looking up is there at once; the rest comes while the list is open. */
export async function chooseModel(server: Server): Promise<void> {
  const picker = vscode.window.createQuickPick<Entry>();
  picker.title = 'Infill: the model that fills';
  picker.placeholder = 'Looking for models…';
  picker.busy = true;
  picker.items = models([]);
  const chosen = new Promise<Entry | undefined>((resolve) => {
    picker.onDidAccept(() => resolve(picker.selectedItems[0]));
    picker.onDidHide(() => resolve(undefined));
  });
  picker.show();
  void survey(server).then((found) => {
    picker.busy = false;
    picker.placeholder = 'Choose a model';
    picker.items = models(listed(server, found));
  });
  const entry = await chosen;
  picker.dispose();
  await entry?.run?.();
}

/** `infill-ls WHAT` in a terminal, where its words stay. */
export async function runTool(server: Server, ...what: string[]): Promise<void> {
  const found = server.find();
  if ('problem' in found) {
    void vscode.window.showWarningMessage(`Infill: ${found.problem}.`);
    return;
  }
  await runInTerminal(`infill-ls ${what.join(' ')}`, new vscode.ProcessExecution(found.path, what));
}

function entries(server: Server): Entry[] {
  const run = (command: string) => () => vscode.commands.executeCommand(command);
  const tool: Entry[] = [
    {
      label: '$(pulse) Doctor',
      description: 'what is right and wrong on this machine',
      run: run('infill.doctor'),
    },
    {
      label: '$(graph) Stats',
      description: 'what was shown, accepted and kept',
      run: run('infill.stats'),
    },
  ];
  const common: Entry[] = [
    { label: '$(output) Log', description: 'what the server says', run: run('infill.log') },
    { label: '$(gear) Settings', run: run('infill.settings') },
  ];
  if (server.life === 'missing') {
    const get = { label: '$(cloud-download) Install the Server', run: () => install(server) };
    return [get, restart(), separator(), ...common];
  }
  if (server.life !== 'running') {
    return [restart(), separator(), ...tool, ...common];
  }
  const isPaused = server.status?.state === 'paused';
  const quiet = server.status?.quiet;
  const anyway: Entry = {
    label: '$(eye) Show Anyway',
    description: `nothing was shown: ${quiet?.reason ?? ''}`,
    run: run('infill.showAnyway'),
  };
  return [
    ...(quiet == null || isPaused ? [] : [anyway]),
    isPaused
      ? {
          label: '$(debug-continue) Resume',
          description: 'loads the model again',
          run: run('infill.resume'),
        }
      : {
          label: '$(debug-pause) Pause',
          description: 'frees the model’s memory',
          run: run('infill.pause'),
        },
    settings.onlyWhenAsked()
      ? { label: '$(zap) Fill While I Type', run: run('infill.toggleTrigger') }
      : { label: '$(circle-outline) Fill Only When I Ask', run: run('infill.toggleTrigger') },
    {
      label: '$(chip) Model…',
      description: nameOf(server.status?.model ?? ''),
      run: run('infill.model'),
    },
    separator(),
    ...tool,
    ...common,
    restart(),
  ];
}

function restart(): Entry {
  return {
    label: '$(refresh) Restart the Server',
    run: () => vscode.commands.executeCommand('infill.restart'),
  };
}

function separator(): Entry {
  return { label: '', kind: vscode.QuickPickItemKind.Separator };
}

interface Survey {
  readonly models: readonly {
    readonly name: string;
    readonly here: boolean;
    readonly good_for: string;
  }[];
}

/** The model that ships, those that have been found, and a folder of the user's. */
function models(found: Entry[]): Entry[] {
  const embedded = {
    label: 'embedded',
    description: 'ships with the server',
    detail: 'good for any machine',
    run: choose('embedded'),
  };
  const folder = { label: 'A folder…', description: 'that holds a model', run: chooseFolder };
  return [embedded, ...found, folder];
}

function choose(model: string) {
  return () => settings.update('model', model);
}

function listed(server: Server, found: Survey | undefined): Entry[] {
  return (found?.models ?? []).map((model) => ({
    label: model.name,
    description: model.here ? 'here' : 'to be fetched first',
    detail: `good for ${model.good_for}`,
    run: model.here ? choose(model.name) : () => runTool(server, 'pull', model.name),
  }));
}

async function survey(server: Server): Promise<Survey | undefined> {
  const found = server.find();
  if ('problem' in found) {
    return undefined;
  }
  try {
    const { stdout } = await promisify(execFile)(found.path, ['models', '--json']);
    return JSON.parse(stdout) as Survey;
  } catch (error) {
    server.log.warn(`infill-ls models: ${String(error)}`);
    return undefined;
  }
}

async function chooseFolder(): Promise<void> {
  const [folder] =
    (await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true })) ?? [];
  if (folder !== undefined) {
    await settings.update('model', folder.fsPath);
  }
}
