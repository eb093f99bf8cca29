// Validates documents with ajv: `{"schema": …, "documents": […]}` on standard input, a list of `null` or words on standard
// output, one for each document.
const Ajv = require('ajv/dist/2020');

const { schema, documents } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const ajv = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true, validateFormats: false });
const validate = ajv.compile(schema);
const words = documents.map((document) => (validate(document) ? null : ajv.errorsText(validate.errors)));
process.stdout.write(JSON.stringify(words));
