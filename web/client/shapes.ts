/** The table of `protocol.gen.ts`, read once: what each message and structure consists of. */
import { TABLE } from "./protocol.gen.ts";

export type Code = "i" | "n" | "s" | "y" | "b";

export interface FieldType {
  /** A scalar's code, or null for an array or a structure. */
  code: Code | null;
  /** What an array holds. */
  element: FieldType | null;
  /** The name of a structure, else empty. */
  struct: string;
  optional: boolean;
}

export interface Field extends FieldType {
  name: string;
  hasDefault: boolean;
  /** Never an array or a structure that could be shared: see `defaultOf`. */
  fallback: string | number | boolean | null | "array" | "struct";
}

export interface Shape {
  number: number;
  name: string;
  fields: Field[];
}

const SCALARS = new Set(["i", "n", "s", "y", "b"]);

function fieldType(code: string, optional: boolean): FieldType {
  if (code.startsWith("*")) return { code: null, element: fieldType(code.slice(1), false), struct: "", optional };
  if (SCALARS.has(code)) return { code: code as Code, element: null, struct: "", optional };
  return { code: null, element: null, struct: code, optional };
}

function field(column: string): Field {
  const [, name = "", nil, code = "", fallback] = /^(\w+):(\??)(\**\w+)(?:=(.*))?$/.exec(column) ?? [];
  const type = fieldType(code, nil === "?");
  if (fallback === undefined) return { ...type, name, hasDefault: false, fallback: null };
  const value = JSON.parse(fallback) as Field["fallback"] | unknown[];
  const kept = Array.isArray(value) ? "array" : type.struct && value !== null ? "struct" : value;
  return { ...type, name, hasDefault: true, fallback: kept };
}

export const byNumber = new Map<number, Shape>();
export const byName = new Map<string, Shape>();

for (const line of TABLE.trim().split("\n")) {
  const [number = "0", name = "", ...columns] = line.split(" ");
  const shape: Shape = { number: parseInt(number, 16), name, fields: columns.map(field) };
  byName.set(name, shape);
  if (shape.number) byNumber.set(shape.number, shape);
}

/** The shape of a message or structure that this version names. Throws RangeError for another name. */
export function shapeOf(name: string): Shape {
  const shape = byName.get(name);
  if (!shape) throw new RangeError(`no message is called ${name}`);
  return shape;
}
