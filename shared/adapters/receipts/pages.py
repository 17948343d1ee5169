"""Receipts as HTML and as PDF. Times are those of the shop; what people wrote is escaped, or drawn as it is."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from font_source_sans_pro import SourceSansPro, SourceSansProSemibold
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.kernel.money import Fiat
from shared.orders.get_receipt import Receipt

_FOLDER: Final = Path(__file__).parent
_WIDTH_MM: Final = 120.0
_MARGIN_MM: Final = 10.0
_LEFT_MM: Final = 70.0
_GREY: Final = (122, 106, 95)


class ReceiptPages:
    """Fulfils `shared.orders.get_receipt.Pages`."""

    def __init__(self) -> None:
        self._html = Environment(loader=FileSystemLoader(_FOLDER), undefined=StrictUndefined, autoescape=True)

    def html(self, receipt: Receipt) -> bytes:
        """Return the receipt as a page that needs nothing else."""
        template = self._html.get_template("receipt.html")
        return template.render(receipt=receipt, time=_clock(receipt), fiat=_fiat(receipt), percent=_percent).encode()

    def pdf(self, receipt: Receipt) -> bytes:
        """Return the receipt as a PDF; the same one for the same receipt."""
        paper = _Paper(receipt)
        paper.head()
        paper.lines()
        paper.payments()
        return bytes(paper.pdf.output())


class _Paper:
    """A strip of paper, written from top to bottom."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.time, self.fiat = _clock(receipt), _fiat(receipt)
        self.pdf = FPDF(format=(_WIDTH_MM, 297))
        self.pdf.set_margin(_MARGIN_MM)
        self.pdf.set_auto_page_break(True, _MARGIN_MM)
        self.pdf.add_font("sans", "", SourceSansPro)
        self.pdf.add_font("sans", "B", SourceSansProSemibold)
        self.pdf.set_creation_date(receipt.placed_at)
        self.pdf.set_title(f"Receipt {receipt.order_id}")
        self.pdf.add_page()

    def head(self) -> None:
        shop = self.receipt.shop
        self._text(shop.name, size=15, bold=True)
        self._text(shop.address)
        self._small(f"{self.time(self.receipt.placed_at)}  ·  {self.receipt.order_id}  ·  {self.receipt.status}")
        self.pdf.ln(4)

    def lines(self) -> None:
        for line in self.receipt.lines:
            self._row(f"{line.quantity} × {line.name}", self.fiat(line.total))
            for choice in line.modifiers:
                self._small(choice.name)
        self.pdf.line(_MARGIN_MM, self.pdf.get_y() + 1, _WIDTH_MM - _MARGIN_MM, self.pdf.get_y() + 1)
        self.pdf.ln(2)
        if self.receipt.discount.units:
            self._row("Discount", f"−{self.receipt.discount}")
        for tax in [tax for tax in self.receipt.taxes if tax.inclusion == "exclusive"]:
            self._row(f"{tax.name} {_percent(tax.rate_bp)}", str(tax.amount))
        for name, amount in (("Delivery", self.receipt.delivery_fee), ("Tip", self.receipt.tip)):
            if amount.units:
                self._row(name, str(amount))
        self._row("Total", str(self.receipt.total), bold=True)
        for tax in [tax for tax in self.receipt.taxes if tax.inclusion == "inclusive"]:
            self._small(f"of which {tax.name} {_percent(tax.rate_bp)}: {tax.amount}")

    def payments(self) -> None:
        currency = self.receipt.total.currency
        for paid in self.receipt.payments:
            self.pdf.ln(4)
            self._text(f"Paid: {paid.received} at {paid.rate} {currency}, {self.time(paid.settled_at)}")
            for txid in paid.txids:
                self._small(f"{paid.chain} {txid}")
        for refund in self.receipt.refunds:
            self.pdf.ln(4)
            worth = f" ({refund.worth})" if refund.worth else ""
            self._text(f"Given back: {refund.amount}{worth}, {self.time(refund.at)}")
            self._small(refund.txid)

    def _text(self, text: str, *, size: float = 10, bold: bool = False) -> None:
        self.pdf.set_font("sans", "B" if bold else "", size)
        self.pdf.multi_cell(0, size * 0.5, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")

    def _small(self, text: str) -> None:
        self.pdf.set_text_color(*_GREY)
        self._text(text, size=7.5)
        self.pdf.set_text_color(0)

    def _row(self, left: str, right: str, *, bold: bool = False) -> None:
        top, page = self.pdf.get_y(), self.pdf.page
        self.pdf.set_font("sans", "B" if bold else "", 10)
        self.pdf.multi_cell(_LEFT_MM, 5, left, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")
        below = self.pdf.get_y()
        if self.pdf.page == page:
            self.pdf.set_y(top)
        self.pdf.cell(0, 5, right, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.pdf.set_y(max(below, self.pdf.get_y()) if self.pdf.page == page else self.pdf.get_y())


def _clock(receipt: Receipt) -> Callable[[datetime], str]:
    return partial(_written, zone=ZoneInfo(receipt.shop.timezone))


def _written(moment: datetime, *, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def _fiat(receipt: Receipt) -> Callable[[int], str]:
    return lambda units: str(Fiat(currency=receipt.total.currency, units=units))


def _percent(rate_bp: int) -> str:
    return f"{rate_bp / 100:g} %"
