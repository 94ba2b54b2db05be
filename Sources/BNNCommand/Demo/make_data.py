#!/usr/bin/env python3
"""Make mauna_loa_co2.csv (Mauna Loa weekly CO2, 1958-2001) from the statsmodels package of PyPI.

    pip download --no-deps --only-binary :all: statsmodels==0.15.0
    python3 make_data.py statsmodels-*.whl mauna_loa_co2.csv

The first argument is the wheel, or the file statsmodels/datasets/co2/co2.csv itself. Standard library only.
Weeks without a value are dropped; no row is altered or thinned.
"""
import csv, datetime, io, sys, zipfile

def main(source, target):
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as z:
            text = z.read('statsmodels/datasets/co2/co2.csv').decode()
    else:
        with open(source, encoding='utf-8') as f:
            text = f.read()
    out = []
    for row in csv.DictReader(io.StringIO(text)):
        if not row['co2'].strip():
            continue
        co2 = float(row['co2'])
        if co2 != co2:
            continue
        d = datetime.datetime.strptime(row['date'].strip(), '%Y%m%d').date()
        start = datetime.date(d.year, 1, 1)
        length = (datetime.date(d.year + 1, 1, 1) - start).days
        day = (d - start).days + 1
        out.append((d, f'{d.year + (day - .5)/length:.4f}', day, f'{co2:.1f}'))
    assert all(a[0] < b[0] for a, b in zip(out, out[1:])), 'rows are not in time order'
    with open(target, 'w', encoding='utf-8', newline='\n') as f:
        f.write('year,day_of_year,co2_ppm\n')
        for _, year, day, co2 in out:
            f.write(f'{year},{day},{co2}\n')

if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
