#!/usr/bin/env node
// Checks every WGSL file of a folder with Tint, the compiler in Chrome, without a GPU or a driver:
//
//     npm ci --prefix scripts/node
//     pgat shaders DIR && node scripts/check-wgsl.mjs DIR
//
// Dawn's null backend validates shader modules and compute pipelines under WebGPU's default limits and runs nothing.
// It refuses what naga lets through: barriers in non-uniform control flow, workgroups over the limits.
//
// Overrides take the defaults of the text. A file X.wgsl with X.json beside it is checked once for each override set
// of that list instead: [{"WORKGROUP_SIZE": 64}, {"WORKGROUP_SIZE": 256}]. An object maps entry points to such lists.
//
// Exit status: 0 all files pass, 1 any error or no file at all, 2 the checker itself could not run.

import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';

const USAGE = 'usage: node scripts/check-wgsl.mjs DIR [DIR...]';

/** Comments as blanks of the same length, so that offsets and lines stay. WGSL block comments nest. */
function withoutComments(text) {
  let out = '';
  let depth = 0;
  for (let i = 0; i < text.length; ) {
    const two = text.slice(i, i + 2);
    if (depth === 0 && two === '//') {
      while (i < text.length && text[i] !== '\n') (out += ' '), i++;
    } else if (two === '/*') {
      depth++, (out += '  '), (i += 2);
    } else if (depth > 0 && two === '*/') {
      depth--, (out += '  '), (i += 2);
    } else {
      out += depth > 0 && text[i] !== '\n' ? ' ' : text[i];
      i++;
    }
  }
  return out;
}

/** Names and lines of the compute entry points, in the order of the text. */
function entryPoints(code) {
  return [...code.matchAll(/@compute\b[^;{}]*?\bfn\s+([A-Za-z_]\w*)/g)].map((match) => ({
    name: match[1],
    line: code.slice(0, match.index + match[0].length).split('\n').length,
  }));
}

/** The text as Chrome needs it, and the features that it uses. Lines keep their numbers. */
function prepare(text, code) {
  const features = new Set();
  if (/\benable\b[^;]*\bf16\b/.test(code)) features.add('shader-f16');
  if (/\b(subgroup|quad)[A-Z]\w*\s*\(|\bsubgroup_(invocation_id|size|id)\b|\benable\b[^;]*\bsubgroups\b/.test(code)) {
    features.add('subgroups');
    // naga takes subgroup operations without it, Tint does not.
    if (!/\benable\b[^;]*\bsubgroups\b/.test(code)) text = `enable subgroups; ${text}`;
  }
  return { text, features };
}

/** Override sets for one entry point, as WebGPU wants them (numbers only). */
function overrideSets(sidecar, entry) {
  if (sidecar === undefined) return [{}];
  const sets = Array.isArray(sidecar) ? sidecar : sidecar[entry];
  if (!Array.isArray(sets) || sets.length === 0) throw new Error(`no override set for entry point ${entry}`);
  return sets.map((set) => Object.fromEntries(Object.entries(set).map(([key, value]) => [key, Number(value)])));
}

/** Dawn's own words; the lines after them only name the call. */
const firstLine = (error) => error.message.trim().split('\n')[0];

/** Checks one text; returns {errors, notes, entries, pipelines}, messages as "line:column: text". */
async function check(device, adapterFeatures, source, sidecar) {
  const code = withoutComments(source);
  const { text, features } = prepare(source, code);
  const result = { errors: [], notes: [], entries: 0, pipelines: 0 };
  for (const feature of features) {
    if (!adapterFeatures.has(feature)) {
      result.errors.push(`1:1: needs the feature ${feature}, which Dawn's null adapter does not offer`);
      return result;
    }
  }
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: text });
  const info = await module.getCompilationInfo();
  const moduleError = await device.popErrorScope();
  for (const message of info.messages) {
    const line = `${message.lineNum}:${message.linePos}: ${message.message.trim()}`;
    if (message.type === 'error') result.errors.push(line);
    else result.notes.push(line);
  }
  if (moduleError && result.errors.length === 0) result.errors.push(`1:1: ${firstLine(moduleError)}`);
  if (result.errors.length > 0) return result;

  const entries = entryPoints(code);
  if (entries.length === 0) result.errors.push('1:1: no @compute entry point, so no pipeline could be checked');
  result.entries = entries.length;
  for (const { name, line } of entries) {
    let sets;
    try {
      sets = overrideSets(sidecar, name);
    } catch (error) {
      result.errors.push(`${line}:1: ${error.message}`);
      continue;
    }
    for (const constants of sets) {
      device.pushErrorScope('validation');
      try {
        device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: name, constants } });
      } catch (error) {
        result.errors.push(`${line}:1: ${name} ${JSON.stringify(constants)}: ${error.message}`);
      }
      const error = await device.popErrorScope();
      if (error) result.errors.push(`${line}:1: ${name} ${JSON.stringify(constants)}: ${firstLine(error)}`);
      result.pipelines++;
    }
  }
  return result;
}

/** A checker that accepts these has no say: each must fail, and the good one must pass. */
async function selfTest(device, features) {
  const body = (inner, size = 64) => `
    @group(0) @binding(0) var<storage, read_write> data: array<f32>;
    var<workgroup> tile: array<f32, 64>;
    @compute @workgroup_size(${size})
    fn main(@builtin(local_invocation_index) lane: u32) { ${inner} data[lane] = tile[lane % 64u]; }`;
  const bad = {
    'a barrier in non-uniform control flow': body('if (lane < 7u) { workgroupBarrier(); }'),
    'a workgroup of 512': body('', 512),
    'a type error': body('tile[lane] = 1u;'),
    'no entry point': 'fn helper() -> f32 { return 1.0; }',
    '9 storage buffers': [...Array(9).keys()].map((i) => `@group(0) @binding(${i}) var<storage, read_write> b${i}: array<f32>;`).join('\n') +
      `\n@compute @workgroup_size(1) fn main() { b0[0] = ${[...Array(8).keys()].map((i) => `b${i + 1}[0]`).join(' + ')}; }`,
  };
  const failures = [];
  for (const [what, text] of Object.entries(bad)) {
    if ((await check(device, features, text)).errors.length === 0) failures.push(`accepted ${what}`);
  }
  const good = {
    'a plain kernel': body('tile[lane] = 1.0; workgroupBarrier();'),
    'an override': body('tile[lane] = SCALE;') + '\n override SCALE: f32 = 2.0; /* @compute fn not_me() /* nested */ */',
  };
  if (features.has('subgroups')) good['a subgroup operation'] = body('tile[lane] = subgroupAdd(1.0);');
  for (const [what, text] of Object.entries(good)) {
    const { errors } = await check(device, features, text);
    if (errors.length > 0) failures.push(`refused ${what}: ${errors[0]}`);
  }
  const sidecar = await check(device, features, body('tile[lane] = SCALE;') + '\noverride SCALE: f32;', [{ SCALE: 2 }, { NAME: 1 }]);
  if (sidecar.pipelines !== 2 || sidecar.errors.length !== 1) failures.push('the override sets were not applied');
  return failures;
}

function wgslFiles(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return wgslFiles(path);
      return entry.name.endsWith('.wgsl') ? [path] : [];
    });
}

async function main(dirs) {
  if (dirs.length === 0) {
    console.error(USAGE);
    return 2;
  }
  let webgpu;
  try {
    webgpu = await import(new URL('./node/node_modules/webgpu/index.js', import.meta.url));
  } catch (error) {
    console.error(`check-wgsl: cannot load Dawn: ${error.message}\nhint: npm ci --prefix scripts/node`);
    return 2;
  }
  Object.assign(globalThis, webgpu.globals);
  const gpu = webgpu.create(['backend=null']);
  const adapter = await gpu.requestAdapter();
  const features = new Set(['subgroups', 'shader-f16'].filter((name) => adapter.features.has(name)));
  // No requiredLimits: the device has WebGPU's default limits, as a browser tab gets them.
  const device = await adapter.requestDevice({ requiredFeatures: [...features] });
  const stray = [];
  device.addEventListener?.('uncapturederror', (event) => stray.push(event.error.message));

  const failures = await selfTest(device, features);
  if (failures.length > 0) {
    for (const failure of failures) console.error(`check-wgsl: self-test: ${failure}`);
    return 2;
  }

  const started = Date.now();
  const total = { files: 0, entries: 0, pipelines: 0, errors: 0 };
  for (const dir of dirs) {
    for (const path of wgslFiles(dir)) {
      const sidecarPath = path.replace(/\.wgsl$/, '.json');
      const name = relative('.', path);
      let sidecar;
      try {
        sidecar = existsSync(sidecarPath) ? JSON.parse(readFileSync(sidecarPath, 'utf8')) : undefined;
      } catch (error) {
        console.error(`${relative('.', sidecarPath)}: ${error.message}`);
        total.errors++;
        continue;
      }
      const result = await check(device, features, readFileSync(path, 'utf8'), sidecar);
      for (const message of result.errors) console.error(`${name}:${message}`);
      // Tint's notes point at causes; where nothing fails they are noise.
      if (result.errors.length > 0) for (const message of result.notes) console.error(`${name}:${message} (note)`);
      total.files++;
      total.entries += result.entries;
      total.pipelines += result.pipelines;
      total.errors += result.errors.length;
    }
  }
  for (const message of stray) console.error(`check-wgsl: ${message}`);
  total.errors += stray.length;
  if (total.files === 0) {
    console.error(`check-wgsl: no .wgsl file in ${dirs.join(', ')}`);
    return 1;
  }
  console.log(
    `Tint: ${total.files} files, ${total.entries} entry points, ${total.pipelines} pipelines, ` +
      `${total.errors} errors, ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
  return total.errors > 0 ? 1 : 0;
}

// Dawn keeps threads alive, so the process ends by its own word.
main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(`check-wgsl: ${error.stack ?? error}`);
    process.exit(2);
  },
);
