/** The two questions that the page asks: for the function key, and whether to go through with it. */
import { useEffect, useRef, useState } from 'preact/hooks';

interface Confirmation {
  readonly kind: 'confirm';
  readonly title: string;
  readonly text: string;
  readonly yes: string;
  readonly answer: (isConfirmed: boolean) => void;
}

interface KeyQuestion {
  readonly kind: 'key';
  readonly wasRefused: boolean;
  readonly answer: (key: string | null) => void;
}

type Question = Confirmation | KeyQuestion;

export interface Questions {
  confirm(question: { title: string; text: string; yes: string }): Promise<boolean>;
  /** Null where the reader does not give one. */
  askForKey(wasRefused: boolean): Promise<string | null>;
  subscribe(show: (question: Question) => void): void;
}

export function createQuestions(): Questions {
  const waiting: Question[] = [];
  let show = (question: Question): void => void waiting.push(question);
  return {
    confirm: (question) => new Promise((answer) => show({ kind: 'confirm', ...question, answer })),
    askForKey: (wasRefused) => new Promise((answer) => show({ kind: 'key', wasRefused, answer })),
    subscribe: (listener) => {
      show = listener;
      for (const question of waiting.splice(0)) listener(question);
    },
  };
}

/** The dialog, where there is a question. */
export function QuestionDialog({ questions }: { questions: Questions }) {
  const [question, setQuestion] = useState<Question | null>(null);
  useEffect(() => questions.subscribe(setQuestion), [questions]);
  if (question === null) return null;
  const done = () => setQuestion(null);
  return question.kind === 'key' ? (
    <KeyDialog question={question} done={done} />
  ) : (
    <ConfirmDialog question={question} done={done} />
  );
}

function KeyDialog({ question, done }: { question: KeyQuestion; done: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  const close = (given: string) => {
    const key = (input.current?.value ?? '').trim();
    done();
    question.answer(given === 'use' && key !== '' ? key : null);
  };
  return (
    <Dialog title="This host wants a function key" onClose={close}>
      {question.wasRefused && (
        <p class="problem-text" role="alert">
          That key was refused.
        </p>
      )}
      <label for="key-input">Function key</label>
      <input id="key-input" ref={input} type="password" autocomplete="off" spellcheck={false} required />
      <p class="quiet">Kept in this tab until it is closed, and sent to this host only.</p>
      <p class="actions">
        <button type="submit" value="use" class="primary">
          Use it
        </button>
        <button type="submit" value="" formNoValidate>
          Not now
        </button>
      </p>
    </Dialog>
  );
}

function ConfirmDialog({ question, done }: { question: Confirmation; done: () => void }) {
  const close = (given: string) => {
    done();
    question.answer(given === 'yes');
  };
  return (
    <Dialog title={question.title} onClose={close}>
      <p>{question.text}</p>
      <p class="actions">
        <button type="submit" value="yes" class="danger">
          {question.yes}
        </button>
        <button type="submit" value="" autofocus>
          Keep it
        </button>
      </p>
    </Dialog>
  );
}

/** A modal dialog; `onClose` gets the value of the button that closed it, nothing where it was dismissed. */
function Dialog(props: {
  title: string;
  onClose: (given: string) => void;
  children: preact.ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="dialog-title"
      onClose={() => props.onClose(dialog.current?.returnValue ?? '')}
    >
      <form method="dialog">
        <h2 id="dialog-title">{props.title}</h2>
        {props.children}
      </form>
    </dialog>
  );
}
