"""English units, currencies and magnitudes: written forms and what is said."""

MAGNITUDES = {
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "b": "billion",
    "bn": "billion",
    "t": "trillion",
    "tn": "trillion",
    "K": "thousand",
    "M": "million",
    "B": "billion",
    "T": "trillion",
    "mm": "million",
}

# written: (one, many)
_UNITS = """
km kilometer kilometers|m meter meters|cm centimeter centimeters|mm millimeter millimeters
µm micrometer micrometers
μm micrometer micrometers|nm nanometer nanometers|mi mile miles|ft foot feet|yd yard yards|yds yard yards
in inch inches|kg kilogram kilograms|kgs kilogram kilograms|g gram grams|mg milligram milligrams
µg microgram micrograms|μg microgram micrograms|lb pound pounds|lbs pound pounds|oz ounce ounces
l liter liters|L liter liters|ml milliliter milliliters|mL milliliter milliliters|cl centiliter centiliters
gal gallon gallons|qt quart quarts|pt pint pints|tsp teaspoon teaspoons|tbsp tablespoon tablespoons|t ton tons
s second seconds|sec second seconds|secs second seconds|ms millisecond milliseconds
µs microsecond microseconds
μs microsecond microseconds|ns nanosecond nanoseconds|min minute minutes|mins minute minutes|h hour hours
hr hour hours|hrs hour hours|yr year years|yrs year years|wk week weeks|wks week weeks|mo month months
mos month months|d day days
Hz hertz hertz|kHz kilohertz kilohertz|MHz megahertz megahertz|GHz gigahertz gigahertz|THz terahertz terahertz
W watt watts|kW kilowatt kilowatts|MW megawatt megawatts|GW gigawatt gigawatts|TW terawatt terawatts
mW milliwatt milliwatts|kWh kilowatt~hour kilowatt~hours|MWh megawatt~hour megawatt~hours
GWh gigawatt~hour gigawatt~hours|TWh terawatt~hour terawatt~hours|Wh watt~hour watt~hours
V volt volts|kV kilovolt kilovolts|mV millivolt millivolts|A amp amps|mA milliamp milliamps
mAh milliamp~hour milliamp~hours|Ah amp~hour amp~hours|Ω ohm ohms|kΩ kilohm kilohms
J joule joules|kJ kilojoule kilojoules|MJ megajoule megajoules|cal calorie calories
kcal kilocalorie kilocalories
eV electron~volt electron~volts|keV kiloelectron~volt kiloelectron~volts
MeV megaelectron~volt megaelectron~volts|GeV gigaelectron~volt gigaelectron~volts
N newton newtons|kN kilonewton kilonewtons|Nm newton~meter newton~meters|Pa pascal pascals
kPa kilopascal kilopascals
MPa megapascal megapascals|hPa hectopascal hectopascals|bar bar bars|mbar millibar millibars
atm atmosphere atmospheres
psi p~s~i p~s~i|hp horsepower horsepower|HP horsepower horsepower|bhp brake~horsepower brake~horsepower
shp shaft~horsepower shaft~horsepower|rpm r~p~m r~p~m|RPM r~p~m r~p~m|bpm beats~per~minute beats~per~minute
fps frames~per~second frames~per~second|mph mile~per~hour miles~per~hour
kph kilometer~per~hour kilometers~per~hour
kmh kilometer~per~hour kilometers~per~hour|mpg mile~per~gallon miles~per~gallon|kn knot knots|kt knot knots
kts knot knots|nmi nautical~mile nautical~miles|mbps megabit~per~second megabits~per~second
Mbps megabit~per~second megabits~per~second|kbps kilobit~per~second kilobits~per~second
Gbps gigabit~per~second gigabits~per~second|bit bit bits|kbit kilobit kilobits|Mbit megabit megabits
kB kilobyte kilobytes|KB kilobyte kilobytes|MB megabyte megabytes|GB gigabyte gigabytes|TB terabyte terabytes
PB petabyte petabytes|KiB kibibyte kibibytes|MiB mebibyte mebibytes|GiB gibibyte gibibytes
dB decibel decibels|ha hectare hectares|ac acre acres|acre acre acres|px pixel pixels|MP megapixel megapixels
mol mole moles|mmol millimole millimoles|ppm part~per~million parts~per~million|cc c~c c~c
kDa kilodalton kilodaltons
bp base~pair base~pairs|kcd kilocandela kilocandela|lm lumen lumens|sqft square~foot square~feet
sqm square~meter square~meters|pp percentage~point percentage~points|bps basis~point basis~points
°C degree~Celsius degrees~Celsius|°F degree~Fahrenheit degrees~Fahrenheit|ºC degree~Celsius degrees~Celsius
ºF degree~Fahrenheit degrees~Fahrenheit|℃ degree~Celsius degrees~Celsius
℉ degree~Fahrenheit degrees~Fahrenheit
° degree degrees|º degree degrees|K kelvin kelvins|% percent percent|‰ per~mille per~mille
"""
UNITS: dict[str, tuple[str, str]] = {}
for _entry in _UNITS.replace("\n", "|").split("|"):
    if _entry.strip():
        _written, _one, _many = _entry.split()
        UNITS[_written] = (_one.replace("~", " "), _many.replace("~", " "))

CASELESS_UNITS = {name.lower(): value for name, value in UNITS.items() if len(name) > 1} | {"kg": UNITS["kg"]}
SPACED_UNITS = (
    frozenset(UNITS)
    - set("tdshgAKJNLVl°º")
    - {"in", "bar", "bit", "mo", "pt", "MP", "pp", "HP", "bps", "acre"}
)
"""Units that are clear even when a space stands between number and unit; the others need more evidence."""

SQUARED = {"2": "square", "²": "square", "3": "cubic", "³": "cubic"}
PER_UNITS = {
    "s": "second",
    "sec": "second",
    "h": "hour",
    "hr": "hour",
    "min": "minute",
    "d": "day",
    "day": "day",
    "wk": "week",
    "week": "week",
    "mo": "month",
    "month": "month",
    "yr": "year",
    "year": "year",
    "y": "year",
    "a": "year",
    "km": "kilometer",
    "m": "meter",
    "kg": "kilogram",
    "g": "gram",
    "l": "liter",
    "L": "liter",
    "ml": "milliliter",
    "mL": "milliliter",
    "dL": "deciliter",
    "mol": "mole",
    "gal": "gallon",
    "lb": "pound",
    "ft": "foot",
    "mi": "mile",
    "ha": "hectare",
    "sq": "square",
    "person": "person",
    "user": "user",
}

# written: (one, many, one hundredth, hundredths)
CURRENCIES: dict[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("US dollar", "US dollars", "cent", "cents"),
    "U.S.$": ("US dollar", "US dollars", "cent", "cents"),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "AU$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "CA$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "HK$": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "NZ$": ("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "S$": ("Singapore dollar", "Singapore dollars", "cent", "cents"),
    "NT$": ("Taiwan dollar", "Taiwan dollars", "cent", "cents"),
    "R$": ("Brazilian real", "Brazilian reais", "centavo", "centavos"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₩": ("won", "won", "jeon", "jeon"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "₪": ("shekel", "shekels", "agora", "agorot"),
    "₺": ("lira", "lira", "kurus", "kurus"),
    "₫": ("dong", "dong", "hao", "hao"),
    "₱": ("peso", "pesos", "centavo", "centavos"),
    "₿": ("bitcoin", "bitcoins", "hundredth", "hundredths"),
    "₴": ("hryvnia", "hryvnias", "kopiyka", "kopiyky"),
    "₦": ("naira", "naira", "kobo", "kobo"),
    "฿": ("baht", "baht", "satang", "satang"),
    "Rs": ("rupee", "rupees", "paisa", "paise"),
    "USD": ("US dollar", "US dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("British pound", "British pounds", "penny", "pence"),
    "JPY": ("yen", "yen", "sen", "sen"),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "INR": ("Indian rupee", "Indian rupees", "paisa", "paise"),
    "CNY": ("yuan", "yuan", "fen", "fen"),
    "RMB": ("renminbi", "renminbi", "fen", "fen"),
    "DM": ("Deutsche mark", "Deutsche marks", "pfennig", "pfennigs"),
}
CURRENCY_SIGNS = tuple(sorted((c for c in CURRENCIES if not c.isalpha()), key=len, reverse=True))
CURRENCY_CODES = tuple(sorted((c for c in CURRENCIES if c.isalpha() and c.isupper()), key=len, reverse=True))
