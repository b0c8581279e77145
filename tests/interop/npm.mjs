// Packages are installed beside the build, never in the source tree.

import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const here = dirname(fileURLToPath(import.meta.url));
export const repository = resolve(here, "../..");
export const npmFolder =
    resolve(process.env.SKIO_NPM ?? process.env.NPM ??
            `${repository}/build/npm`);
export const require = createRequire(`${npmFolder}/`);
