"""Spanish words that written forms stand for."""


def _table(text: str) -> dict[str, str]:
    return dict(entry.strip().split("=", 1) for entry in text.replace("\n", "|").split("|") if entry.strip())


MONTHS = (
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
)
ABBREVIATIONS = _table("""
sr=señor|sra=señora|srta=señorita|dr=doctor|dra=doctora|prof=profesor|profa=profesora|d=don|dña=doña|ud=usted
uds=ustedes|núm=número|núms=números|nº=número|etc=etcétera|pág=página|págs=páginas|vol=volumen|art=artículo
avda=avenida|av=avenida|pza=plaza|tel=teléfono|aprox=aproximadamente|ej=ejemplo|gral=general|cap=capítulo
fig=figura
hnos=hermanos|cía=compañía|dpto=departamento|s=siglo
""")
# written: one, many
UNITS: dict[str, tuple[str, str]] = {
    name: (one.replace("~", " "), many.replace("~", " "))
    for name, one, many in (
        entry.split(" ")
        for entry in [
            "km kilómetro kilómetros",
            "m metro metros",
            "cm centímetro centímetros",
            "mm milímetro milímetros",
            "kg kilogramo kilogramos",
            "g gramo gramos",
            "mg miligramo miligramos",
            "t tonelada toneladas",
            "l litro litros",
            "ml mililitro mililitros",
            "ha hectárea hectáreas",
            "h hora horas",
            "min minuto minutos",
            "s segundo segundos",
            "ms milisegundo milisegundos",
            "Hz hercio hercios",
            "kHz kilohercio kilohercios",
            "MHz megahercio megahercios",
            "GHz gigahercio gigahercios",
            "W vatio vatios",
            "kW kilovatio kilovatios",
            "MW megavatio megavatios",
            "V voltio voltios",
            "kB kilobyte kilobytes",
            "KB kilobyte kilobytes",
            "MB megabyte megabytes",
            "GB gigabyte gigabytes",
            "TB terabyte terabytes",
            "% por~ciento por~ciento",
            "°C grado~Celsius grados~Celsius",
            "° grado grados",
            "K kelvin kelvins",
            "eV electronvoltio electronvoltios",
            "Pa pascal pascales",
            "kPa kilopascal kilopascales",
            "hab habitante habitantes",
            "nm nanómetro nanómetros",
            "mol mol moles",
        ]
    )
}
PER_UNITS = {
    "h": "hora",
    "s": "segundo",
    "km": "kilómetro",
    "m": "metro",
    "l": "litro",
    "min": "minuto",
    "kg": "kilogramo",
}
POWERS = {"2": "cuadrado", "²": "cuadrado", "3": "cúbico", "³": "cúbico"}
CURRENCIES: dict[str, tuple[str, str, str, str]] = {
    "$": ("dólar", "dólares", "centavo", "centavos"),
    "US$": ("dólar", "dólares", "centavo", "centavos"),
    "€": ("euro", "euros", "céntimo", "céntimos"),
    "£": ("libra", "libras", "penique", "peniques"),
    "¥": ("yen", "yenes", "sen", "sen"),
}
SYMBOLS = {
    "%": "por ciento", "&": "y", "@": "arroba", "#": "almohadilla", "+": "más", "=": "igual a",
    "/": "barra", "_": "guion bajo",
    "*": "asterisco", "<": "menor que", ">": "mayor que", "~": "virgulilla", "$": "dólares", "€": "euros",
    "£": "libras",
    "°": "grados", "±": "más menos", "×": "por", "÷": "dividido por", "→": "implica",
    "|": "barra vertical", "\\": "barra invertida",
    "^": "elevado a", "√": "raíz cuadrada de", "≈": "aproximadamente igual a", "≤": "menor o igual que",
    "≥": "mayor o igual que", "≠": "distinto de", "∞": "infinito", "§": "sección", "©": "copyright",
    "®": "registrado",
    "™": "marca registrada", "-": "guion", "–": "guion", "—": "guion", "−": "menos", ".": "punto",
    ",": "coma", ":": "dos puntos",
    ";": "punto y coma", "·": "por", "`": "acento grave", "{": "llave", "}": "llave", "¢": "centavos",
    "¥": "yenes",
}  # fmt: skip
VULGAR = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4)}
ACRONYM_WORDS = frozenset(
    [
        "NASA",
        "OTAN",
        "ONU",
        "UNESCO",
        "UNICEF",
        "FIFA",
        "UEFA",
        "SIDA",
        "OVNI",
        "ISO",
        "RAE",
        "DOS",
        "COVID",
        "OPEP",
        "AVE",
        "RENFE",
    ]
)
