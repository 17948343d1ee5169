// Compiles every contract of this folder to compiled/<name>.json ({"abi", "bytecode"}), with the pinned solc.
// Run `node emulators/contracts/compile.mjs` after changing a contract, and commit what it writes.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)("solc");
const here = new URL(".", import.meta.url);
const sources = Object.fromEntries(
  readdirSync(here)
    .filter((name) => name.endsWith(".sol"))
    .map((name) => [name, { content: readFileSync(new URL(name, here), "utf8") }]),
);
const output = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: "Solidity",
      sources,
      settings: {
        optimizer: { enabled: true, runs: 200 },
        evmVersion: "cancun",
        metadata: { bytecodeHash: "none", appendCBOR: false },
        outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
      },
    }),
  ),
);
const errors = (output.errors ?? []).filter((error) => error.severity === "error");
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
for (const contracts of Object.values(output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) {
    const compiled = { abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` };
    writeFileSync(new URL(`compiled/${name.toLowerCase()}.json`, here), `${JSON.stringify(compiled, null, 1)}\n`);
  }
}
