/** What is done on the way between the editor and the language client. */

import * as vscode from 'vscode';
import {
  CodeActionResolveRequest,
  ExecuteCommandRequest,
  type LanguageClient,
  type Middleware,
} from 'vscode-languageclient/node';
import type { Fills } from './fills';

/** The server's commands that fill something, and what they do. */
const FILLING: ReadonlyMap<string, string> = new Map([
  ['infill.fillGap', 'Filling here'],
  ['infill.fillBody', 'Filling the body'],
  ['infill.fillHoles', 'Filling the holes'],
  ['infill.doTodo', 'Doing this TODO'],
  ['infill.writeDocstring', 'Writing the docstring'],
  ['infill.rewriteSelection', 'Rewriting the selection'],
]);

/** `took` is told the milliseconds of each answer that had something to show. */
export function middleware(
  client: () => LanguageClient | undefined,
  fills: Fills,
  took: (milliseconds: number) => void,
): Middleware {
  return {
    async provideInlineCompletionItems(document, position, context, token, next) {
      // The engine would leave what the user has asked for by hand, for what nobody has asked for.
      if (fills.busy) {
        return null;
      }
      const askedAt = Date.now();
      const answer = await next(document, position, context, token);
      const items = Array.isArray(answer) ? answer : (answer?.items ?? []);
      if (items.length > 0 && !token.isCancellationRequested) {
        took(Date.now() - askedAt);
      }
      return answer;
    },

    // Not by `next`: it keeps to itself why there is no edit.
    async resolveCodeAction(action, token, next) {
      const server = client();
      if (server === undefined) {
        return next(action, token);
      }
      const asked = server.code2ProtocolConverter.asCodeActionSync(action);
      return fills.run(action.title, token, async (token) => {
        const resolved = await told(
          server.sendRequest(CodeActionResolveRequest.type, asked, token),
          token,
        );
        return resolved && server.protocol2CodeConverter.asCodeAction(resolved, token);
      });
    },

    async executeCommand(command, args: unknown[], next) {
      const title = FILLING.get(command);
      const server = client();
      if (title === undefined || server === undefined) {
        return next(command, args) as unknown;
      }
      const given = args.length > 0 ? args : whereTheCursorIs(server);
      if (given.length === 0) {
        return undefined;
      }
      const params = { command, arguments: given };
      return fills.run(title, undefined, (token) =>
        told<unknown>(server.sendRequest(ExecuteCommandRequest.type, params, token), token),
      );
    },

    handleWorkDoneProgress(token, params, next) {
      if (fills.busy && params.kind !== 'end') {
        fills.report(params);
      } else {
        next(token, params);
      }
    },
  };
}

/** The one argument that the server's commands take when no code action gives it. */
function whereTheCursorIs(client: LanguageClient): unknown[] {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined) {
    return [];
  }
  const { start, end } = editor.selection;
  return [
    {
      uri: client.code2ProtocolConverter.asUri(editor.document.uri),
      start: [start.line, start.character],
      end: [end.line, end.character],
    },
  ];
}

/** The answer; undefined where there is none, and the user knows why. */
async function told<T>(
  answer: Promise<T>,
  token: vscode.CancellationToken,
): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!token.isCancellationRequested) {
      const message = error instanceof Error ? error.message : String(error);
      void vscode.window.showWarningMessage(`Infill: ${message}`);
    }
    return undefined;
  }
}
