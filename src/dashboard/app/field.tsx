/** One field of a form: its label, what it means, and what is wrong with it, all told to a screen reader. */

export interface FieldProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly hint?: preact.ComponentChildren;
  readonly unit?: string;
  readonly faults: readonly string[];
  readonly list?: string;
  readonly isNumber?: boolean;
  readonly placeholder?: string;
}

export function Field(props: FieldProps) {
  const { name, label, value, onInput, hint, unit, faults, list, isNumber, placeholder } = props;
  const id = `field-${name}`;
  const described = [hint === undefined ? null : `${id}-hint`, faults.length === 0 ? null : `${id}-faults`];
  return (
    <div class={faults.length === 0 ? 'field' : 'field wrong'}>
      <label for={id}>
        {label}
        {unit !== undefined && <small> {unit}</small>}
      </label>
      <input
        id={id}
        name={name}
        value={value}
        list={list}
        placeholder={placeholder}
        inputMode={isNumber === true ? 'decimal' : undefined}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={faults.length > 0 ? 'true' : undefined}
        aria-describedby={described.filter((one) => one !== null).join(' ') || undefined}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <Faults id={`${id}-faults`} faults={faults} />
    </div>
  );
}

export function Faults({ id, faults }: { id: string; faults: readonly string[] }) {
  if (faults.length === 0) return null;
  return (
    <ul class="faults" id={id}>
      {faults.map((fault) => (
        <li key={fault}>{fault}</li>
      ))}
    </ul>
  );
}
