'use strict';
// The filter of the list at the side, and "try it". The API key stays in this page's memory.
const find = document.getElementById('find');
find.addEventListener('input', () => {
  const words = find.value.toLowerCase().split(/\s+/);
  for (const a of document.querySelectorAll('nav a')) a.hidden = !words.every(w => a.textContent.toLowerCase().includes(w) || a.hash.toLowerCase().includes(w));
});
document.addEventListener('keydown', e => {
  if (e.key === '/' && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) { e.preventDefault(); find.focus(); }
});
for (const form of document.querySelectorAll('form.try')) form.addEventListener('submit', async e => {
  e.preventDefault();
  const out = form.querySelector('output pre');
  let path = form.dataset.path;
  const query = new URLSearchParams(), headers = {};
  for (const input of form.querySelectorAll('input[name]')) {
    if (input.value === '' && input.dataset.in !== 'path') continue;
    if (input.dataset.in === 'path') path = path.replace('{' + input.name + '}', encodeURIComponent(input.value));
    else if (input.dataset.in === 'query') query.append(input.name, input.value);
    else headers[input.name] = input.value;
  }
  const key = document.getElementById('key').value.trim();
  if (key) headers.Authorization = 'Bearer ' + key;
  const body = form.querySelector('textarea');
  if (body) headers['Content-Type'] = body.dataset.type;
  const url = path + (query.size ? '?' + query : '');
  try {
    const r = await fetch(url, {method: form.dataset.method, headers, body: body ? body.value : undefined});
    let text = await r.text();
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
    out.textContent = form.dataset.method + ' ' + url + '\n' + r.status + ' ' + r.statusText + '\n' + [...r.headers].map(h => h.join(': ')).join('\n') + '\n\n' + text;
  } catch (error) { out.textContent = String(error); }
});
