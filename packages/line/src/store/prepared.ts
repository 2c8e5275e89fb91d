/** Queries that every card asks: written with Kysely, compiled once, asked again with other values. Building one anew costs more than its answer. */
import {
  type Compilable,
  type CompiledQuery,
  DummyDriver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { Tables } from "./tables.js";

/** Stands for a value while a query is compiled. */
class Slot {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** Never asks anything. */
const compiler = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** Kysely or an open transaction of it. */
type Asked = Pick<Kysely<Tables>, "executeQuery">;

/**
 * A query over values with names. `build` sees stand-ins for them and must only hand them on: each becomes a parameter, none may be a list.
 * It is called once, with the first use.
 */
export function prepared<Values extends object, Row>(
  build: (db: Kysely<Tables>, values: Values) => Compilable<Row>,
): (db: Asked, values: Values) => Promise<QueryResult<Row>> {
  let compiled: CompiledQuery<Row> | undefined;
  return (db, values) => {
    compiled ??= build(
      compiler,
      new Proxy({} as Values, { get: (_, name) => (typeof name === "string" ? new Slot(name) : undefined) }),
    ).compile();
    const parameters = compiled.parameters.map((one) =>
      one instanceof Slot ? values[one.name as keyof Values] : one,
    );
    return db.executeQuery({ ...compiled, parameters });
  };
}
